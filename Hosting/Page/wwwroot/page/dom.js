/**
 * Creates an element. Text is never parsed as HTML.
 * @param {string} tag name, with classes after dots: `p.notice.bad`
 * @param {object} properties attributes; `onclick` and the like are listeners; null and false are left out
 * @param {...(Node|string|null)} children
 */
export function h(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split('.');
  const element = document.createElement(name);
  element.classList.add(...classes);
  for (const [key, value] of Object.entries(properties)) {
    if (value == null || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.filter(child => child != null));
  return element;
}

/** Sets the text of an element; unchanged text is left alone, so that a selection in it survives. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows the element with the text, or hides it when there is none. */
export function setNote(element, text) {
  element.hidden = !text;
  setText(element, text ?? '');
}

/** List of terms and figures (`dl`) whose values are set by term. */
export class FigureList {
  #values = new Map();

  constructor(terms) {
    this.element = h('dl.figures');
    for (const term of terms) {
      const value = h('dd', {}, '–');
      this.#values.set(term, value);
      this.element.append(h('div', {}, h('dt', {}, term), value));
    }
  }

  /** @param {string} tone empty, `warn` or `bad` */
  set(term, text, tone = '') {
    const value = this.#values.get(term);
    setText(value, text);
    value.dataset.tone = tone;
  }
}

/** Offers a file for download. */
export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Table in a region that scrolls sideways and can be focused to do so by keyboard. */
export function scrollTable(label, columns, body) {
  const head = h('tr', {}, ...columns.map(column => h('th', { scope: 'col' }, column)));
  const table = h('table', {}, h('caption.visually-hidden', {}, label), h('thead', {}, head), body);
  return h('div.scroll', { tabindex: '0', role: 'region', 'aria-label': label }, table);
}
