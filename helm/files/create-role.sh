#!/bin/bash
# At PostgreSQL's first start: the services' login and its database, for Compose and the chart. Not a superuser: it owns
# the database, and creates the roles that read the logs. The order of texts is PostgreSQL's own (17 or newer), as in the embedded
# one: that of the image's system may change with the image, and indexes of texts would be wrong without a word.
set -euo pipefail
psql -v ON_ERROR_STOP=1 -v password="$SERVICES_PASSWORD" --username "$POSTGRES_USER" --dbname postgres <<'SQL'
create role stream_processing login createrole password :'password';
create database stream_processing owner stream_processing
  template template0 encoding 'UTF8' locale_provider builtin builtin_locale 'C.UTF-8' locale 'C';
SQL
