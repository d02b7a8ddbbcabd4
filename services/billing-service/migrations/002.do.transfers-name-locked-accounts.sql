-- A foreign key looks up both accounts of every transfer once more. The transaction that writes a transfer has just
-- locked, updated or created them by their keys, and accounts are never deleted.
alter table transfers
  drop constraint transfers_debit_account_fkey,
  drop constraint transfers_credit_account_fkey;
