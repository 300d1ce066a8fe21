import { parseHostPort } from '../src/host-port.ts'

test.each([
  ['127.0.0.1:9101', { host: '127.0.0.1', port: 9101 }],
  ['[::1]:0', { host: '::1', port: 0 }],
  ['edge.inside:65535', { host: 'edge.inside', port: 65535 }],
])('%s is read', (text, value) => expect(parseHostPort(text)).toEqual({ ok: true, value }))

test.each([[''], ['9101'], ['::1:9101'], ['host:'], [':1'], ['host:65536'], ['host:-1'], ['ho st:1'], ['[::1]']])(
  '%j is refused',
  (text) => expect(parseHostPort(text).ok).toBe(false),
)
