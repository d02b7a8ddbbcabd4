create sequence notification_id;

-- What this service needs to know of the users that user-service announced.
create table known_users (
  id     bigint primary key,
  email  text   not null,
  locale text   not null
);

create table notifications (
  id         bigint      primary key,
  user_id    bigint      not null,
  order_id   bigint,
  email      text        not null,
  subject    text        not null,
  body       text        not null,
  created_at timestamptz not null
);

create index notifications_of_user on notifications (user_id, id);

-- One letter per order, whatever is delivered again.
create unique index notifications_of_order on notifications (order_id) where order_id is not null;
