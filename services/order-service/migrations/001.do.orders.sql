create sequence order_id;

-- What this service needs to know of the users that user-service announced.
create table known_users (
  id     bigint primary key,
  locale text   not null
);

create table orders (
  id         bigint      primary key,
  user_id    bigint      not null,
  price      bigint      not null check (price > 0),
  status     text        not null check (status in ('pending', 'confirmed', 'failed')),
  message    text        check ((status = 'pending') = (message is null)),
  created_at timestamptz not null
) with (fillfactor = 70);

create index orders_of_user on orders (user_id, id);
