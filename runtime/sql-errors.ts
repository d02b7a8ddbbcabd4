import pg from 'pg';

/** The connection was lost or could not be had; whether a commit under way took effect is not known. */
export class ConnectionLost extends Error {
  /** SQLSTATE or the system's error code, for people. */
  readonly code: string;

  constructor(cause: Error & { code?: string | undefined }) {
    super(cause.message || cause.code, { cause });
    this.code = cause.code ?? 'CONNECTION_LOST';
  }
}

/** The driver's errors as two kinds: what PostgreSQL said of a statement, and a lost connection. */
export function normalize(error: unknown): unknown {
  if (error instanceof pg.DatabaseError)
    return LOST.test(error.code ?? '') ? new ConnectionLost(error) : error;
  // What did not come from PostgreSQL came from the way there, unless it is a mistake in our own code.
  const ours = error instanceof TypeError || error instanceof RangeError || error instanceof ConnectionLost;
  return error instanceof Error && !ours ? new ConnectionLost(error) : error;
}

/** May the same transaction succeed when it is tried again? */
export function isTransient(error: unknown): boolean {
  return error instanceof ConnectionLost || isUnfit(error) || TRANSIENT.has(codeOf(error));
}

/** Others were at work on the same rows: nothing is wrong with the transaction itself. */
export function isContention(error: unknown): boolean {
  return CONTENTION.has(codeOf(error));
}

/** The server cannot take what it is asked for, whatever that is; nothing of the transaction is done. */
export function isUnfit(error: unknown): boolean {
  const { cause } = (error ?? {}) as { cause?: unknown };
  return UNFIT.test(codeOf(error)) || (cause !== undefined && isUnfit(cause));
}

/** It takes no writes, on this connection. */
export function isReadOnly(error: unknown): boolean {
  return codeOf(error) === '25006';
}

export function isConnectionLoss(error: unknown): boolean {
  return error instanceof ConnectionLost;
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

// Class 57P: the server is shutting down, crashed or still starting; class 08: connection exceptions; 53300: no
// connection left; 25P03, 25P04: the server ended our transaction's session.
const LOST = /^(57P0[1-5]|08...|53300|25P0[34])$/;

// Class 53 beside 53300: no room on its disk or in its memory. 25006: it takes no writes, since it follows another one by now or somebody said so.
const UNFIT = /^(53[124]..|25006)$/;

// serialization_failure, deadlock_detected, lock_not_available.
const CONTENTION = new Set(['40001', '40P01', '55P03']);

// unique_violation: two writers met at a unique key, and the second try sees the first one's row and decides anew.
const TRANSIENT = new Set([...CONTENTION, '23505']);
