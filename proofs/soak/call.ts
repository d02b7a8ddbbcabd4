/** One second more than a service waits for the final status. */
export const CALL_MS_MAX = 6000;

/** Status 0: there was no answer; the code says why. */
export async function call(url: string, method: string, path: string, body?: object, key?: string) {
  try {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(body ? { 'content-type': 'application/json' } : {}),
        ...(key ? { 'idempotency-key': key } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(CALL_MS_MAX),
    });
    const text = await response.text();
    return { status: response.status, body: parsed(text) };
  } catch (error) {
    const { cause, name } = error as { cause?: { code?: string }; name: string };
    return { status: 0, body: { code: cause?.code ?? name } };
  }
}

/** What is no JSON, as an empty body or a proxy's page, has no code. */
// biome-ignore lint/suspicious/noExplicitAny: the body is what the route says
function parsed(text: string): any {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
