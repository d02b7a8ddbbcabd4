-- Ends a transaction with an error of our own from within a statement, so that the commit can be sent along with it.
create function fail(code text, message text) returns void language plpgsql as $$
begin
  raise exception using errcode = code, message = message;
end
$$;
