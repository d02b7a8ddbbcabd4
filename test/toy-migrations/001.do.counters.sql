create table counters (
  user_id bigint primary key,
  value   bigint not null check (value < 1000)
);
