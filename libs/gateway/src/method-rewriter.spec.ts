import { MethodRewriter } from './method-rewriter.ts';

/** What comes out of pieces that are cut at every `size` bytes. */
function rewrite(text: string, size = text.length): string {
  const rewriter = new MethodRewriter();
  const whole = Buffer.from(text, 'latin1');
  for (let at = 0; at < whole.length; at += size) rewriter.rewrite(whole.subarray(at, at + size));
  return whole.toString('latin1');
}

const LIST = 'LIST /v1/a HTTP/1.1\r\nHost: x\r\n\r\n';
const LINK = LIST.replace('LIST', 'LINK');
const post = (headers: string, body: string): string => `POST /v1/a HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n${body}`;

describe('the rewriting of methods', () => {
  it('changes LIST and SCAN, and makes their stand-ins useless to clients', () => {
    expect(rewrite(LIST)).toBe(LINK);
    expect(rewrite('SCAN /v1/a')).toBe('BIND /v1/a');
    expect(rewrite('LINK /v1/a')).toBe('LOCK /v1/a');
    expect(rewrite('BIND /v1/a')).toBe('LOCK /v1/a');
    expect(rewrite('LISTEN /LIST /')).toBe('LISTEN /LIST /');
    expect(rewrite(`\r\n${LIST}`)).toBe(`\r\n${LINK}`);
  });

  it.each([
    ['a length', post('Content-Length: 32', LIST)],
    ['no length', post('Content-Length: 0', '')],
    [
      'chunks',
      post('Transfer-Encoding: chunked', `6;x=y\r\nLIST /\r\n1F\r\n${LIST.slice(0, 31)}\r\n0\r\nT: LIST /\r\n\r\n`),
    ],
  ])('finds the message after a body with %s, and leaves the body as it is', (_, message) => {
    for (let size = 1; size < message.length; size++) expect(rewrite(message + LIST, size)).toBe(message + LINK);
  });

  it('finds every one of many in one piece', () => {
    expect(rewrite(LIST.repeat(50))).toBe(LINK.repeat(50));
  });

  it.each([
    post('Content-Length: 3\r\nTransfer-Encoding: chunked', '0\r\n\r\n'),
    post('Content-Length: 3\r\nContent-Length: 3', 'abc'),
    post('Content-Length: +3', 'abc'),
    post('Content-Length: 0x3', 'abc'),
    post('Content-Length: 3, 3', 'abc'),
    post('Transfer-Encoding: gzip, chunked', '0\r\n\r\n'),
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', '0\r\n\r\n'),
    post('A: b\r\n Content-Length: 3', 'abc'),
    post('A: b\nContent-Length: 3', 'abc'),
    post('Transfer-Encoding: chunked', 'zz\r\n\r\n'),
    post('Transfer-Encoding: chunked', `${'0'.repeat(13)}\r\n\r\n`),
    post('Upgrade: websocket', ''),
  ])('ends on a connection with doubtful framing', (message) => {
    expect(rewrite(message + LIST)).toBe(message + LIST);
  });

  it('holds no more of a head than the parser would take', () => {
    const rewriter = new MethodRewriter();
    rewriter.rewrite(Buffer.from('GET / HTTP/1.1\r\nA: '));
    rewriter.rewrite(Buffer.alloc(70_000, 'a'));
    const rest = Buffer.from(`\r\n\r\n${LIST}`);
    rewriter.rewrite(rest);
    expect(rest.toString()).toBe(`\r\n\r\n${LIST}`);
  });
});
