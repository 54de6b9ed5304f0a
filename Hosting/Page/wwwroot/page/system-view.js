import { getJson, getText, hasToken } from './api.js';
import { bytes, count, duration, moment, NONE, words } from './format.js';
import { FigureList, h, setNote, setText } from './dom.js';
import { poll } from './poll.js';

const POLL_MS = 2000;
const LOG_MS = 5000;

/** View of the node: model, MQTT, reload, configuration, log and links. */
export class SystemView {
  title = 'System';
  #node = new FigureList(['Node', 'Version', 'Uptime', 'Ready', 'Viewers']);
  #model = new FigureList(['Name', 'Version', 'Method', 'Task', 'Classes', 'Precision', 'Provider']);
  #quality = h('p.muted', { hidden: true });
  #mqtt = new FigureList(['State', 'Server', 'Fault', 'Topics below', 'Outbox']);
  #reload = new FigureList(['Outcome', 'At']);
  #reloadDetail = h('p.muted', { hidden: true });
  #links = h('ul.links');
  #document = h('pre', { tabindex: '0', 'aria-label': 'Document', hidden: true });
  #file = h('p.muted');
  #yaml = h('pre', { tabindex: '0', 'aria-label': 'Effective configuration' });
  #log = h('pre', { tabindex: '0', 'aria-label': 'Last lines of the log' });

  constructor() {
    this.element = h('div', {}, h('h1', { tabindex: '-1' }, this.title),
      h('div.columns', {},
        section('node', 'Node', this.#node.element),
        section('model', 'Model', this.#model.element, this.#quality),
        section('broker', 'MQTT', this.#mqtt.element),
        section('reload', 'Last reload', this.#reload.element, this.#reloadDetail),
        section('links', 'Links', this.#links, this.#document)),
      section('log', 'Log', this.#log),
      section('config', 'Effective configuration', this.#file, this.#yaml));
  }

  start({ signal, polled }) {
    poll(POLL_MS, signal, async s => this.#show(await getJson('/api/v1/status', { signal: s })), polled);
    poll(LOG_MS, signal, s => this.#readTexts(s), polled);
  }

  #show({ node, version, uptime_s: uptime, ready, viewers, model, mqtt, reload, links }) {
    this.#node.set('Node', node);
    this.#node.set('Version', version);
    this.#node.set('Uptime', duration(uptime));
    this.#node.set('Ready', ready ? 'yes' : 'no', ready ? '' : 'bad');
    this.#node.set('Viewers', count(viewers));
    this.#showModel(model ?? {});
    this.#showMqtt(mqtt ?? {});
    this.#reload.set('Outcome', reload ? words(reload.outcome) : 'none since the start');
    this.#reload.set('At', moment(reload?.at));
    setNote(this.#reloadDetail, reload?.detail);
    this.#showLinks(links ?? []);
  }

  #showModel(model) {
    this.#model.set('Name', model.name ?? NONE);
    this.#model.set('Version', model.version ?? NONE);
    this.#model.set('Method', model.method ?? NONE);
    this.#model.set('Task', model.task ?? NONE);
    this.#model.set('Classes', count(model.classes));
    this.#model.set('Precision', model.precision ?? NONE);
    this.#model.set('Provider', model.provider ?? NONE);
    setNote(this.#quality, model.quality);
  }

  #showMqtt({ connected, server, fault, root, outbox_messages: messages, outbox_bytes: size }) {
    const state = server ? (connected ? 'connected' : 'not connected') : 'off';
    this.#mqtt.set('State', state, state === 'not connected' ? 'bad' : '');
    this.#mqtt.set('Server', server ?? NONE);
    this.#mqtt.set('Fault', fault ?? 'none', fault ? 'bad' : '');
    this.#mqtt.set('Topics below', root ?? NONE);
    this.#mqtt.set('Outbox', `${count(messages)} messages, ${bytes(size)}`);
  }

  #showLinks(links) {
    const text = JSON.stringify(links);
    if (this.#links.dataset.links === text) return;
    this.#links.dataset.links = text;
    this.#links.replaceChildren(...links.map(({ name, href }) =>
      h('li', {}, h('a', { href, onclick: event => this.#openLink(event, href) }, name))));
  }

  /** Opens a link. A browser sends no token with a link, so with one the document is shown here. */
  async #openLink(event, href) {
    if (!hasToken()) return;
    event.preventDefault();
    const text = await getText(href).catch(error => error.message);
    setNote(this.#document, text);
    this.#document.focus();
  }

  async #readTexts(signal) {
    const [{ lines }, { file, yaml }] = await Promise.all([
      getJson('/api/v1/log', { signal }), getJson('/api/v1/config', { signal })]);
    const atEnd = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 20;
    setText(this.#log, lines.join('\n'));
    // The log follows its end, unless somebody has scrolled up to read.
    if (atEnd) this.#log.scrollTop = this.#log.scrollHeight;
    setText(this.#file, file);
    setText(this.#yaml, yaml);
  }
}

const section = (id, title, ...content) =>
  h('section', { 'aria-labelledby': `${id}-title` }, h('h2', { id: `${id}-title` }, title), ...content);
