/** Which Kafka cluster, and how its topics are to be. */

export interface KafkaOptions {
  /** host:port of some brokers; the others are found through them. */
  brokers: string[];
  /** Before the service's name. */
  topicPrefix: string;
  replicationFactor: number;
  /** Hours; 0: for ever. */
  retentionHours: number;
  /** PEM texts; undefined: no TLS. */
  tls?: { ca?: string | undefined; cert?: string | undefined; key?: string | undefined } | undefined;
  sasl?: { mechanism: SaslMechanism; username: string; password: string } | undefined;
}

export const SASL_MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;
export type SaslMechanism = (typeof SASL_MECHANISMS)[number];

/** What a topic is created with, besides partitions and copies. */
export function topicConfig(options: Pick<KafkaOptions, 'replicationFactor' | 'retentionHours'>) {
  const { replicationFactor, retentionHours } = options;
  return {
    'cleanup.policy': 'delete',
    'retention.ms': retentionHours === 0 ? '-1' : String(retentionHours * 3_600_000),
    // A write is acknowledged by all but one of the copies at least: it survives a broker, and so does writing.
    'min.insync.replicas': String(Math.max(1, replicationFactor - 1)),
  };
}
