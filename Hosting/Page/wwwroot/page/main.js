import { getJson, onUnauthorized } from './api.js';
import { CameraView } from './camera-view.js';
import { Connection } from './connection.js';
import { LiveFeed } from './feed.js';
import { Overview } from './overview.js';
import { readRoute } from './router.js';
import { SystemView } from './system-view.js';
import { TokenDialog } from './token-dialog.js';
import { poll } from './poll.js';

const VIEWS = { overview: Overview, camera: CameraView, system: SystemView };
const STATUS_MS = 5000;

const main = document.getElementById('main');
const feed = new LiveFeed();
const connection = new Connection(feed);
const polled = error => connection.polled(error);

let status = null;
let current = new AbortController();

/** Shows the view that the address names. */
function show(first) {
  current.abort();
  current = new AbortController();
  feed.watch(null);
  const route = readRoute(location.hash);
  const view = new VIEWS[route.view]({ feed, camera: route.camera, status });
  document.title = `${view.title} – ${status?.node ?? 'dvis'}`;
  for (const link of document.querySelectorAll('nav a')) {
    if (link.dataset.view === route.view) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  main.replaceChildren(view.element);
  view.start({ signal: current.signal, polled });
  // A change of the view is a change of page: a screen reader continues at its heading.
  if (!first) main.querySelector('h1').focus();
}

async function start() {
  const dialog = new TokenDialog();
  onUnauthorized(refused => dialog.ask(refused));
  document.getElementById('skip').addEventListener('click', event => {
    event.preventDefault();
    main.focus();
  });
  const read = async signal => {
    status = await getJson('/api/v1/status', { signal });
    document.getElementById('node').textContent = status.node;
  };
  const forever = new AbortController().signal;
  // Views depend on the status, for example on whether images are on; without an answer it is requested again.
  await new Promise(resolve => poll(STATUS_MS, forever, read, error => {
    polled(error);
    if (!error) resolve();
  }));
  window.addEventListener('hashchange', () => show(false));
  show(true);
}

start();
