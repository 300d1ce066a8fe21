import { once } from 'node:events'
import { connect } from 'node:net'
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

test('who is turned away is closed without a word, and no socket is made of it', async () => {
  const listener = new XmppListener()
  const asked: string[] = []
  let isOpen = false
  let taken = 0
  const [address] = await listener.listen(
    ['127.0.0.1:0'],
    (socket) => {
      taken += 1
      socket.end('welcome')
    },
    (from) => asked.push(from) > 0 && !isOpen,
  )
  const heard = async (): Promise<string> => {
    const socket = connect({ host: '127.0.0.1', port: address?.port ?? 0 })
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
    await once(socket, 'close')
    return text
  }
  expect([await heard(), await heard(), taken]).toEqual(['', '', 0])
  isOpen = true
  expect([await heard(), taken]).toEqual(['welcome', 1])
  expect(asked).toEqual(['127.0.0.1', '127.0.0.1', '127.0.0.1'])
  await listener.close()
})
