-- Statements are read by user account and its sequence; nobody asks for the transfers of a system account, whose sequence
-- is held dense by the lock on its row.
alter table transfers
  drop constraint transfers_debit_account_debit_sequence_key,
  drop constraint transfers_credit_account_credit_sequence_key;
create unique index transfers_debited on transfers (debit_account, debit_sequence) where debit_account > 0;
create unique index transfers_credited on transfers (credit_account, credit_sequence) where credit_account > 0;
