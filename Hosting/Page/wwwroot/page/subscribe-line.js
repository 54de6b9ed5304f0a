import { announce } from './connection.js';
import { h, setText } from './dom.js';

/** Command line that prints what a camera publishes, with a button that copies it. */
export class SubscribeLine {
  #code = h('code', { tabindex: '0', 'aria-label': 'Command line' });
  #button = h('button', { type: 'button', onclick: () => this.#copy() }, 'Copy');

  constructor(status, camera) {
    setText(this.#code, commandLine(status, camera));
    const content = status.mqtt?.server
      ? [h('div.copy-line', {}, this.#code, this.#button),
        h('p.muted', {}, 'Add -u and -P when your broker asks for a login.')]
      : [h('p', {}, 'MQTT is off.')];
    this.element = h('section', { 'aria-labelledby': 'mqtt-title' },
      h('h2', { id: 'mqtt-title' }, 'Receive by MQTT'), ...content);
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.#code.textContent);
      setText(this.#button, 'Copied');
      announce('Copied');
    } catch {
      // Without HTTPS browsers give no clipboard, except on the machine itself.
      getSelection().selectAllChildren(this.#code);
      setText(this.#button, 'Selected, press Ctrl+C');
    }
    setTimeout(() => setText(this.#button, 'Copy'), 3000);
  }
}

function commandLine({ node, mqtt }, camera) {
  const server = URL.canParse(mqtt?.server ?? '') ? new URL(mqtt.server) : null;
  const parts = ['mosquitto_sub', '-v'];
  if (server?.hostname) parts.push('-h', server.hostname.replace(/^\[|\]$/g, ''));
  if (server?.port) parts.push('-p', server.port);
  else if (server?.protocol === 'mqtts:') parts.push('-p', '8883');
  if (server?.protocol === 'mqtts:') parts.push('--tls-use-os-certs');
  parts.push('-t', quote(`${mqtt?.root}/${node}/camera/${camera}/#`));
  return parts.join(' ');
}

const quote = text => `'${text.replaceAll("'", "'\\''")}'`;
