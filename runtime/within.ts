/** What the promise resolves with, unless the deadline comes first: then rejects with its reason. */
export function within<T>(deadline: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const expire = () => reject(deadline.reason);
    if (deadline.aborted) expire();
    deadline.addEventListener('abort', expire);
    promise.then(resolve, reject).finally(() => deadline.removeEventListener('abort', expire));
  });
}
