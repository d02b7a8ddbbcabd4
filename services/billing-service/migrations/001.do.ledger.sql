-- Balance = credits − debits. A user's account is what we owe the user; cash of the same partition is its mirror, so it
-- goes below zero as deposits come in. All balances sum to zero at every commit.
create table accounts (
  -- the user's id; system accounts of partition p: −(2p + 1) is cash, −(2p + 2) is revenue
  id       bigint primary key,
  kind     text   not null check (kind in ('user', 'cash', 'revenue')),
  locale   text,
  balance  bigint not null,
  -- number of transfers so far
  sequence bigint not null,
  check (kind <> 'user' or balance >= 0),
  check ((kind = 'user') = (id > 0))
) with (fillfactor = 70);

create table transfers (
  id              bigint      generated always as identity primary key,
  kind            text        not null check (kind in ('deposit', 'withdrawal', 'payment')),
  order_id        bigint      check ((kind = 'payment') = (order_id is not null)),
  amount          bigint      not null check (amount > 0),
  debit_account   bigint      not null references accounts,
  debit_sequence  bigint      not null,
  debit_balance   bigint      not null,
  credit_account  bigint      not null references accounts check (credit_account <> debit_account),
  credit_sequence bigint      not null,
  credit_balance  bigint      not null,
  created_at      timestamptz not null,
  unique (debit_account, debit_sequence),
  unique (credit_account, credit_sequence)
);

-- An order is paid once, whatever is delivered again; this never expires.
create unique index transfers_order on transfers (kind, order_id) where order_id is not null;
