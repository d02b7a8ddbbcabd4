create sequence user_id;

create table users (
  id         bigint      primary key,
  email      text        not null,
  name       text        not null,
  locale     text        not null,
  created_at timestamptz not null
);

-- Addresses are ASCII, so that lower() here and toLowerCase() in decide.ts agree.
create unique index users_email on users (lower(email));
