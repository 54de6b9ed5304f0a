import { h } from './dom.js';

/** Zones and lines of a camera as text, and the button that shows them on the images. */
export class ZoneList {
  #onChange;
  #shapes = { zones: [], lines: [] };
  #list = h('ul', { 'aria-labelledby': 'zones-title' });
  #text = '';

  /** @param {(shapes: ?object) => void} onChange called with what the images show; null: nothing */
  constructor(onChange) {
    this.#onChange = onChange;
    this.button = h('button', { type: 'button', 'aria-pressed': 'true', hidden: true }, 'Zones and lines');
    this.button.addEventListener('click', () => {
      this.button.setAttribute('aria-pressed', !this.#isOn);
      this.#tell();
    });
    this.element = h('section', { 'aria-labelledby': 'zones-title', hidden: true },
      h('h2', { id: 'zones-title' }, 'Zones and lines'), this.#list);
  }

  /** @param {object} camera as in /api/v1/cameras */
  update({ zones = [], lines = [] }) {
    this.#shapes = { zones, lines };
    const texts = [...zones.map(zoneText), ...lines.map(lineText)];
    this.element.hidden = this.button.hidden = texts.length === 0;
    if (this.#text !== texts.join('\n')) {
      this.#text = texts.join('\n');
      this.#list.replaceChildren(...texts.map(text => h('li', {}, text)));
    }
    this.#tell();
  }

  get #isOn() { return this.button.getAttribute('aria-pressed') === 'true'; }

  #tell() { this.#onChange(this.#isOn ? this.#shapes : null); }
}

const zoneText = ({ name, count, labels }) => `Zone ${name}: ${count} inside${ofLabels(labels)}`;

const lineText = ({ name, labels }) => `Line ${name}${ofLabels(labels)}`;

const ofLabels = labels => labels.length ? ` (${labels.join(', ')})` : '';
