const TOKEN_KEY = 'dvis.token';
const ANSWER_MS = 10_000;

let askForToken = null;
let asking = null;

/** Answer of the server that is not a success; the message is its sentence. */
export class HttpError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * Sets how the user is asked for a token.
 * @param {(refused: boolean) => Promise<void>} ask ends when a token was accepted; `refused`: an earlier one was not
 */
export function onUnauthorized(ask) {
  askForToken = ask;
}

/** True while requests carry a token. */
export const hasToken = () => sessionStorage.getItem(TOKEN_KEY) != null;

/** True when the server accepts the token; it is kept for this tab only then. */
export async function tryToken(token) {
  const response = await send('/api/v1/status', {}, token);
  if (response.status === 401) return false;
  if (!response.ok) throw await failure(response);
  sessionStorage.setItem(TOKEN_KEY, token);
  return true;
}

/**
 * Requests a path. While the server wants a token, all requests wait until the user has entered one.
 * @returns {Promise<Response>} a success
 * @throws {HttpError} any other status
 */
export async function request(path, options = {}) {
  for (;;) {
    await asking;
    const token = sessionStorage.getItem(TOKEN_KEY);
    const response = await send(path, options, token);
    if (response.ok) return response;
    if (response.status !== 401) throw await failure(response);
    // A request that was sent with an older token is sent again.
    if (token === sessionStorage.getItem(TOKEN_KEY)) await ask(token != null);
    options.signal?.throwIfAborted();
  }
}

export const getJson = async (path, options) => (await request(path, options)).json();

export const getText = async (path, options) => (await request(path, options)).text();

export const getBlob = async (path, options) => (await request(path, options)).blob();

/** Path under a camera, with its name encoded. */
export const cameraPath = (camera, rest) => `/api/v1/cameras/${encodeURIComponent(camera)}/${rest}`;

/** Sends a request and waits at most ANSWER_MS for the head of the answer; its body may take longer. */
async function send(path, { signal }, token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error('the server does not answer')), ANSWER_MS);
  const either = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
  try {
    // An image is shown once: a cache of them would only grow.
    return await fetch(path, { headers, signal: either, cache: 'no-store', redirect: 'error' });
  } finally {
    clearTimeout(timer);
  }
}

function ask(refused) {
  sessionStorage.removeItem(TOKEN_KEY);
  asking ??= askForToken(refused).finally(() => { asking = null; });
  return asking;
}

async function failure(response) {
  const text = (await response.text().catch(() => '')).trim();
  const plain = response.headers.get('Content-Type')?.startsWith('text/plain') && text.length < 500;
  return new HttpError(response.status, plain && text ? text : `The server answered ${response.status}.`);
}
