import { tryToken } from './api.js';
import { h, setNote } from './dom.js';

/** Dialogue for the bearer token of the server. It stays open until a token is accepted. */
export class TokenDialog {
  #error = h('p.notice.bad', { role: 'alert', hidden: true });
  #input = h('input', {
    id: 'token', type: 'password', autocomplete: 'off', required: true, 'aria-describedby': 'token-help',
  });
  #button = h('button.primary', { type: 'submit' }, 'Continue');
  #dialog;
  #accepted;

  constructor() {
    const form = h('form', { onsubmit: event => this.#submit(event) },
      h('h2', { id: 'token-title' }, 'Token required'),
      h('p', { id: 'token-help' },
        'This server requires a token, see ', h('code', {}, 'http.token_file'),
        ' in its configuration. The token is kept in this tab until you close it.'),
      h('label', { for: 'token' }, 'Token'), this.#input, this.#error, this.#button);
    this.#dialog = h('dialog.token', { 'aria-labelledby': 'token-title' }, form);
    this.#dialog.addEventListener('cancel', event => event.preventDefault());
    document.body.append(this.#dialog);
  }

  /** Opens the dialogue; the promise ends when a token was accepted. */
  ask(refused) {
    setNote(this.#error, refused ? 'The server no longer accepts the token.' : null);
    this.#dialog.showModal();
    this.#input.focus();
    return new Promise(resolve => { this.#accepted = resolve; });
  }

  async #submit(event) {
    event.preventDefault();
    this.#button.disabled = true;
    try {
      if (await tryToken(this.#input.value.trim())) {
        this.#input.value = '';
        this.#dialog.close();
        this.#accepted();
        return;
      }
      setNote(this.#error, 'Wrong token: the server refused it.');
    } catch (error) {
      setNote(this.#error, `The token could not be checked: ${error.message}`);
    } finally {
      this.#button.disabled = false;
    }
    this.#input.select();
  }
}
