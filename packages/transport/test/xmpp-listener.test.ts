import { XmppListener, parseListenAddress } from '../src/xmpp-listener.ts'

test.each([
  ['127.0.0.1:5269', { host: '127.0.0.1', port: 5269 }],
  ['[::1]:0', { host: '::1', port: 0 }],
  ['xmpp.inside:5269', { host: 'xmpp.inside', port: 5269 }],
  ['::1:5269', undefined],
  ['127.0.0.1', undefined],
  ['127.0.0.1:65536', undefined],
  [':5269', undefined],
])('%s', (text, address) => expect(parseListenAddress(text)).toEqual(address))

test.each([
  ['127.0.0.1', '"127.0.0.1" is not host:port'],
  ['192.0.2.1:5269', 'cannot listen on 192.0.2.1:5269: this machine has no such address'],
])('%s: %s', async (address, problem) => {
  await expect(new XmppListener().listen([address], () => {})).rejects.toThrow(problem)
})

test('one bad address, and none is kept', async () => {
  const first = new XmppListener()
  const [taken] = await first.listen(['127.0.0.1:0'], () => {})
  await first.close()
  const text = `127.0.0.1:${taken?.port ?? 0}`
  await expect(new XmppListener().listen([text, 'nonsense'], () => {})).rejects.toThrow('nonsense')
  const again = new XmppListener()
  expect(await again.listen([text], () => {})).toHaveLength(1)
  await again.close()
})
