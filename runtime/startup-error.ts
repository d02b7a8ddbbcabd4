import { codeOf } from './sql-errors.ts';

/** Something that the operator can mend: told as one line, without a stack, and ended with exit code 1. */
export class StartupError extends Error {}

/** What the system or PostgreSQL said while `what` was needed, as one line; a bug stays the error that it is. */
export function asStartupError(error: unknown, what: string): unknown {
  if (error instanceof StartupError) return error;
  const code = codeOf(error);
  if (!code) return error;
  return new StartupError(`${what}: ${REASONS[code] ?? (error as Error).message} (${code})`);
}

const REASONS: Record<string, string> = {
  EADDRINUSE: 'the port is taken by another process',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'not allowed; ports below 1024 usually need root',
  ECONNREFUSED: 'does not answer',
  ECONNRESET: 'does not answer like PostgreSQL',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name cannot be looked up',
  CONNECTION_LOST: 'does not answer',
};
