#!/bin/bash
# As the official image: KAFKA_SOME_NAME is the broker's property some.name, and the first start formats its folder.
set -euo pipefail
config=/opt/kafka/config/server.properties
for name in $(compgen -e KAFKA_); do
  [ "$name" = KAFKA_HEAP_OPTS ] && continue
  key=${name#KAFKA_}
  key=${key,,}
  printf '%s=%s\n' "${key//_/.}" "${!name}"
done >"$config"
java=(java -Dorg.apache.logging.log4j.level=INFO -cp '/opt/kafka/libs/*')
"${java[@]}" kafka.tools.StorageTool format --ignore-formatted "--cluster-id=$CLUSTER_ID" --config "$config" >/dev/null
# shellcheck disable=SC2086 # several options
exec "${java[@]}" ${KAFKA_HEAP_OPTS:-} kafka.Kafka "$config"
