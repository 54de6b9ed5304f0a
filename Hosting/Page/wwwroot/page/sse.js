/**
 * Reads server-sent events from the body of a response.
 * @param {ReadableStream<Uint8Array>} body
 * @param {() => void} onData called for each piece of data, comments included
 * @returns {AsyncGenerator<{type: string, data: any}>} events; their data is JSON
 */
export async function* readEvents(body, onData) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      onData();
      const blocks = (rest + value).split(/\r?\n\r?\n/);
      rest = blocks.pop();
      for (const block of blocks) {
        const event = parse(block);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => { });
  }
}

function parse(block) {
  let type = 'message';
  const data = [];
  for (const line of block.split(/\r?\n/)) {
    if (line.startsWith('event:')) type = line.slice(6).trim();
    else if (line.startsWith('data:')) data.push(line.slice(5));
  }
  return data.length ? { type, data: JSON.parse(data.join('\n')) } : null;
}
