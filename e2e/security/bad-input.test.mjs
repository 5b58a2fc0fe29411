/** What strangers and broken clients send: each gets a clear answer, and the node keeps serving. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { call, startDevServer } from '../cluster.mjs';
import { RawConnection, rawRequest, requestText } from './raw-http.mjs';

let server;
before(async () => {
  server = await startDevServer();
});
after(() => server?.stop());
afterEach(async () => {
  assert.ok(server.process.alive, `the server ended: ${server.process.log.slice(-1500)}`);
  const { status } = await call(server.url, 'GET', 'sys/health');
  assert.equal(status, 200);
});

const raw = (method, path, options) => rawRequest(server.url, method, path, options);

/** The shape that every client reads errors from. */
function assertErrors({ status, body }, allowed) {
  assert.ok([allowed].flat().includes(status), `status ${status}: ${body.slice(0, 300)}`);
  const { errors } = JSON.parse(body);
  assert.ok(Array.isArray(errors), 'errors is a list');
  assert.doesNotMatch(body, /\bat .*\.(js|ts):\d+|node_modules|RangeError|TypeError/, 'no insides in the answer');
}

describe('bodies', () => {
  const malformed = {
    'cut off': '{"data":',
    'not JSON': 'hello',
    'a trailing comma': '{"data":{},}',
    'two values': '{}{}',
    'a lone surrogate half cut': '{"data":{"a":"\\uD8"}}',
    'a control character': '{"data":{"a":"\u0001"}}',
    'a number of the wrong form': '{"data":{"a":01}}',
    'not a number': '{"data":{"a":NaN}}',
  };
  for (const [name, body] of Object.entries(malformed)) {
    it(`refuses ${name}`, async () => {
      assertErrors(await raw('PUT', '/v1/secret/data/bad', { body }), 400);
    });
  }

  for (const body of ['[]', '"text"', '1', 'true']) {
    it(`refuses ${body} in place of an object`, async () => {
      assertErrors(await raw('PUT', '/v1/secret/data/bad', { body }), 400);
    });
  }

  it('refuses fields of the wrong type, naming the field', async () => {
    const answer = await raw('PUT', '/v1/secret/data/bad', { body: '{"data":"text"}' });
    assertErrors(answer, 400);
    assert.match(answer.body, /data/);
    assertErrors(await raw('POST', '/v1/auth/token/create', { body: '{"ttl":{"a":1}}' }), 400);
    assertErrors(await raw('POST', '/v1/auth/token/create', { body: '{"num_uses":"many"}' }), 400);
    assertErrors(await raw('PUT', '/v1/sys/unseal', { body: '{"key":{"a":1}}' }), 400);
  });

  it('refuses a body that is announced as more than 32 MiB before it is sent', async () => {
    const connection = new RawConnection(server.url);
    connection.send(
      `PUT /v1/secret/data/big HTTP/1.1\r\nHost: a\r\nX-Vault-Token: root\r\nContent-Length: ${33 * 1024 * 1024}\r\n\r\n{`,
    );
    const [answer] = await connection.answered();
    connection.close();
    assert.equal(answer.status, 413);
  });

  it('refuses a chunked body as soon as it is more than 32 MiB', async () => {
    const connection = new RawConnection(server.url);
    connection.send(
      'PUT /v1/secret/data/big HTTP/1.1\r\nHost: a\r\nX-Vault-Token: root\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    const chunk = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(1 << 20, 0x20), Buffer.from('\r\n')]);
    for (let sent = 0; sent < 34 && !connection.closed; sent++) connection.send(chunk);
    const [answer] = await connection.answered();
    connection.close();
    assert.equal(answer?.status, 413);
  });

  for (const [name, body] of Object.entries({
    brackets: '{"data":' + '['.repeat(100_000) + ']'.repeat(100_000) + '}',
    objects: '{"data":' + '{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000) + '}',
    'brackets without an end': '['.repeat(100_000),
  })) {
    it(`refuses 100,000 nested ${name}`, async () => {
      assertErrors(await raw('PUT', '/v1/secret/data/deep', { body }), [400, 413]);
    });
  }

  it('refuses invalid UTF-8', async () => {
    const body = Buffer.concat([
      Buffer.from('{"data":{"a":"'),
      Buffer.from([0xff, 0xfe, 0xc0, 0xaf]),
      Buffer.from('"}}'),
    ]);
    const answer = await raw('PUT', '/v1/secret/data/utf8', { body });
    // Vault's own parser replaces such bytes; either way nothing breaks
    assert.ok([200, 400].includes(answer.status), `status ${answer.status}`);
    JSON.parse(answer.body);
  });

  it('takes duplicate keys without one value for the policy and another for the engine', async () => {
    const policy =
      'path "secret/data/dup" { capabilities = ["create", "update"] denied_parameters = { "options" = [] } }';
    await call(server.url, 'PUT', 'sys/policies/acl/dup', { token: 'root', body: { policy } });
    const made = await call(server.url, 'POST', 'auth/token/create', { token: 'root', body: { policies: ['dup'] } });
    const token = made.body.auth.client_token;
    for (const body of ['{"data":{"a":1},"data":{"a":2}}', '{"data":{"a":1},"options":{"cas":0},"data":{"a":3}}']) {
      const answer = await raw('PUT', '/v1/secret/data/dup', { token, body });
      assert.ok([200, 400, 403].includes(answer.status), `status ${answer.status}`);
      if (body.includes('options')) assert.notEqual(answer.status, 200, 'a denied parameter was let through');
    }
  });

  it('keeps __proto__, constructor and toString as plain keys', async () => {
    const body = '{"data":{"__proto__":{"polluted":"yes"},"constructor":"c","toString":"t","hasOwnProperty":"h"}}';
    const written = await raw('PUT', '/v1/secret/data/proto', { body });
    assert.ok([200, 400].includes(written.status), `status ${written.status}`);
    if (written.status === 200) {
      const read = await raw('GET', '/v1/secret/data/proto');
      assert.equal(JSON.parse(read.body).data.data.constructor, 'c');
      assert.match(read.body, /"__proto__":\{"polluted":"yes"\}/);
    }
    const other = await raw('PUT', '/v1/cubbyhole/clean', { body: '{"a":"b"}' });
    assert.equal(other.status, 204);
    const clean = await raw('GET', '/v1/cubbyhole/clean');
    assert.doesNotMatch(clean.body, /polluted/);
  });

  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    it(`has nothing at names such as ${name}`, async () => {
      for (const path of [
        `secret/data/${name}x/${name}`,
        `sys/policies/acl/${name}`,
        `auth/${name}/login`,
        name,
        `sys/mounts/${name}/tune`,
      ]) {
        const { status } = await call(server.url, 'GET', path, { token: 'root' });
        assert.ok(status >= 400 && status < 500, `${path}: status ${status}`);
      }
    });
  }
});

describe('paths', () => {
  it('never lets another spelling of a path past a policy', async () => {
    const policy = 'path "secret/data/mine/*" { capabilities = ["read"] }';
    await call(server.url, 'PUT', 'sys/policies/acl/mine', { token: 'root', body: { policy } });
    const made = await call(server.url, 'POST', 'auth/token/create', { token: 'root', body: { policies: ['mine'] } });
    const token = made.body.auth.client_token;
    await call(server.url, 'PUT', 'secret/data/yours/x', { token: 'root', body: { data: { canary: 'do-not-show' } } });
    const spellings = [
      '/v1/secret/data/mine/../yours/x',
      '/v1/secret/data/mine/%2e%2e/yours/x',
      '/v1/secret/data/mine/%2E./yours/x',
      '/v1/secret/data/mine/..%2fyours/x',
      '/v1/secret/data/mine%2f..%2fyours%2fx',
      '/v1/secret/data/mine/%252e%252e/yours/x',
      '/v1/secret/data/mine/./../yours/x',
      '/v1/secret/data/mine//../yours/x',
      '/v1/secret/data//yours/x',
      '/v1//secret/data/yours/x',
      '//v1/secret/data/yours/x',
      '/v1/secret/data/mine/..;/yours/x',
      '/v1/secret/data/mine\\..\\yours\\x',
      '/v1/SECRET/data/yours/x',
      '/v1/secret/data/yours/x%00',
      '/v1/secret/data/yours/x#/mine/',
      'http://127.0.0.1/v1/secret/data/yours/x',
    ];
    for (const path of spellings) {
      const answer = await raw('GET', path, { token });
      assert.doesNotMatch(answer?.body ?? '', /do-not-show/, path);
      assert.ok(answer === undefined || (answer.status >= 300 && answer.status < 500), `${path}: ${answer?.status}`);
    }
  });

  it('answers NUL, bad escapes and long paths as mistakes of the caller', async () => {
    for (const path of [
      '/v1/secret/data/a%00b',
      '/v1/secret/data/%',
      '/v1/secret/data/%zz',
      '/v1/secret/data/%c0%af',
      '/v1/',
    ]) {
      const { status } = await raw('GET', path);
      assert.ok(status >= 400 && status < 500, `${path}: ${status}`);
    }
    const long = await raw('GET', `/v1/secret/data/${'a'.repeat(60_000)}`);
    assert.ok(long === undefined || (long.status >= 400 && long.status < 500), `status ${long?.status}`);
  });
});

describe('messages', () => {
  const put = (path, text) => requestText('PUT', path, { body: JSON.stringify({ data: { text } }) });

  it('answers a LIST that arrives byte by byte', async () => {
    await raw('PUT', '/v1/secret/data/list/one', { body: '{"data":{"a":1}}' });
    const connection = new RawConnection(server.url);
    for (const byte of requestText('LIST', '/v1/secret/metadata/list')) {
      connection.send(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const [answer] = await connection.answered();
    connection.close();
    assert.equal(answer.status, 200);
    assert.deepEqual(JSON.parse(answer.body).data.keys, ['one']);
  });

  it('answers pipelined requests in order, LIST among them', async () => {
    const connection = new RawConnection(server.url);
    connection.send(
      Buffer.concat([
        put('/v1/secret/data/pipe/a', 'LIST /v1/secret/metadata/ HTTP/1.1\r\n\r\n'),
        requestText('LIST', '/v1/secret/metadata/pipe'),
        requestText('GET', '/v1/secret/data/pipe/a'),
        requestText('LIST', '/v1/secret/metadata/pipe'),
      ]),
    );
    const answers = await connection.answered(4);
    connection.close();
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200, 200],
    );
    assert.deepEqual(JSON.parse(answers[1].body).data.keys, ['a']);
    assert.equal(JSON.parse(answers[2].body).data.data.text, 'LIST /v1/secret/metadata/ HTTP/1.1\r\n\r\n');
    assert.deepEqual(JSON.parse(answers[3].body).data.keys, ['a']);
  });

  it('never reads a request out of a body, however the body is cut', async () => {
    const text = 'LIST /v1/sys/policies/acl HTTP/1.1\r\nHost: a\r\nX-Vault-Token: root\r\n\r\n';
    const message = put('/v1/secret/data/pipe/b', text);
    const body = message.indexOf('\r\n\r\n') + 4;
    for (const cut of [body, body + 1, message.indexOf('LIST /'), message.indexOf('LIST /') + 2]) {
      const connection = new RawConnection(server.url);
      connection.send(message.subarray(0, cut));
      await new Promise((resolve) => setTimeout(resolve, 30));
      connection.send(Buffer.concat([message.subarray(cut), requestText('GET', '/v1/secret/data/pipe/b')]));
      const answers = await connection.answered(2);
      connection.close();
      assert.deepEqual(
        answers.map(({ status }) => status),
        [200, 200],
      );
      assert.equal(JSON.parse(answers[1].body).data.data.text, text);
    }
  });

  it('keeps a chunked body with LIST in it as it is', async () => {
    const body = JSON.stringify({ data: { text: 'LIST /v1/x' } });
    const at = body.indexOf('LIST');
    const connection = new RawConnection(server.url);
    connection.send(
      'PUT /v1/secret/data/pipe/c HTTP/1.1\r\nHost: a\r\nX-Vault-Token: root\r\nTransfer-Encoding: chunked\r\n\r\n' +
        `${at.toString(16)}\r\n${body.slice(0, at)}\r\n`,
    );
    await new Promise((resolve) => setTimeout(resolve, 30));
    const rest = body.slice(at);
    connection.send(`${rest.length.toString(16)}\r\n${rest}\r\n0\r\n\r\n`);
    assert.equal((await connection.answered())[0].status, 200);
    connection.close();
    const read = await raw('GET', '/v1/secret/data/pipe/c');
    assert.equal(JSON.parse(read.body).data.data.text, 'LIST /v1/x');
  });

  const smuggled =
    'PUT /v1/secret/data/smuggled HTTP/1.1\r\nHost: a\r\nX-Vault-Token: root\r\nContent-Length: 17\r\n\r\n{"data":{"a":"1"}}';
  const attempts = {
    'Content-Length and Transfer-Encoding': `POST /v1/sys/capabilities-self HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    'two Content-Lengths': `POST /v1/sys/capabilities-self HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n${smuggled}`,
    'a Transfer-Encoding with a space before the colon': `POST /v1/sys/capabilities-self HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${smuggled}`,
    'an unknown Transfer-Encoding': `POST /v1/sys/capabilities-self HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${smuggled}`,
    'a header folded over lines': `POST /v1/sys/capabilities-self HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${smuggled}`,
    'a negative Content-Length': `POST /v1/sys/capabilities-self HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n${smuggled}`,
    'a chunk size beyond all numbers': `POST /v1/sys/capabilities-self HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n${smuggled}`,
    'a bare line feed': `POST /v1/sys/capabilities-self HTTP/1.1\nHost: a\nContent-Length: 0\n\n${smuggled}`,
  };
  for (const [name, message] of Object.entries(attempts)) {
    it(`smuggles nothing past ${name}`, async () => {
      const connection = new RawConnection(server.url);
      connection.send(message);
      const answers = await connection.answered();
      assert.ok(answers.length === 0 || answers[0].status >= 400, `status ${answers[0]?.status}`);
      await connection.ended();
      const { status } = await call(server.url, 'GET', 'secret/data/smuggled', { token: 'root' });
      assert.equal(status, 404);
    });
  }

  it('survives bytes that are no HTTP, and connections that say nothing', async () => {
    const silent = Array.from({ length: 50 }, () => new RawConnection(server.url));
    const noise = new RawConnection(server.url);
    noise.send(Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 7919) % 256)));
    await noise.ended();
    const tls = new RawConnection(server.url);
    tls.send(Buffer.from('16030100a5010000a10303', 'hex'));
    await tls.ended();
    assert.equal((await call(server.url, 'GET', 'sys/health')).status, 200);
    for (const connection of silent) connection.close();
  });

  it('refuses headers beyond measure', async () => {
    const answer = await raw('GET', '/v1/sys/health', { headers: { 'X-Big': 'a'.repeat(200_000) } });
    assert.ok(answer === undefined || answer.status === 431 || answer.status === 400, `status ${answer?.status}`);
  });

  it('refuses tokens with strange bytes like any unknown token', async () => {
    for (const token of ['\xff\xfe', 'a b', '../root', '__proto__', 'hvs.', 's.'.padEnd(5000, 'a')]) {
      const { status } = await raw('GET', '/v1/secret/data/pipe/a', { token });
      assert.ok(status === 403 || status === 400, `status ${status}`);
    }
  });
});
