import { once } from 'node:events'
import { connect } from 'node:net'
import {
  RULES,
  RawPeer,
  RawServer,
  TableResolver,
  TestServer,
  dialbackSpeaker,
  domain,
  header,
} from './xmpp-support.ts'

/** What a peer can make us hold, and what it can make us do. */

const ROMEO = 'montague.example'
const JULIET = 'capulet.example'
const FAR_MS = 60_000
const STILL_TURNS = 100

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

async function juliet(limits: { writeBufferBytes?: number }): Promise<TestServer> {
  const resolver = new TableResolver()
  const authority = await new RawServer(dialbackSpeaker(ROMEO)).listen()
  resolver.srvRecords.set(`_xmpp-server._tcp.${ROMEO}`, [
    { priority: 10, weight: 0, port: authority.port, target: 'x.example' },
  ])
  resolver.hosts.set('x.example', ['127.0.0.1'])
  const made = await new TestServer(JULIET, resolver, {
    limits: { ...limits, stallTimeoutMs: FAR_MS, closeTimeoutMs: FAR_MS },
  }).listen()
  made.partners.set(ROMEO, RULES.tlsNotSupported)
  closing.push(() => {
    for (const { id } of made.endpoint.streams()) made.endpoint.closeStream(id)
    return Promise.all([made.endpoint.close(), authority.close()])
  })
  return made
}

async function peerOf({ port }: TestServer): Promise<RawPeer> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  await once(socket, 'connect')
  closing.unshift(() => Promise.resolve(socket.destroy()))
  return new RawPeer(socket)
}

test('who makes us answer and does not read the answers is not read either, until he does', async () => {
  const writeBufferBytes = 64 * 1024
  const server = await juliet({ writeBufferBytes })
  const peer = await peerOf(server)
  peer.say(header(ROMEO, JULIET))
  peer.say(`<db:result from='${ROMEO}' to='${JULIET}'>k</db:result>`)
  await peer.hears(/type=.valid/)
  peer.socket.pause()
  // The answer repeats the id.
  const question = `<db:verify from='${ROMEO}' to='${JULIET}' id='${'x'.repeat(1000)}'>k</db:verify>`
  const block = question.repeat(100)
  const most = { waiting: 0 }
  /** Both ends are in this process: where so many of its turns move nothing, nothing will. */
  const isStill = async (): Promise<boolean> => {
    let before = ''
    let same = 0
    while (same < STILL_TURNS && peer.socket.writableNeedDrain) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      const [stream] = server.endpoint.streams()
      most.waiting = Math.max(most.waiting, stream?.waitingBytes ?? 0)
      const now = [stream?.bytesIn, stream?.bytesOut, stream?.waitingBytes, peer.socket.writableLength].join(' ')
      same = now === before ? same + 1 : 0
      before = now
    }
    return peer.socket.writableNeedDrain
  }
  // More than the system holds for both ends and both ways.
  let asked = 0
  while (asked < 40_000) {
    asked += 100
    if (!peer.socket.write(block) && (await isStill())) break
  }
  // What the system has taken of the last piece does not wait with us any more.
  expect(most.waiting).toBeGreaterThan(0)
  expect(most.waiting).toBeLessThan(8 * writeBufferBytes)
  expect(peer.socket.writableLength).toBeGreaterThan(0)

  // He reads again, and has every answer.
  let answers = 0
  let tail = ''
  peer.socket.removeAllListeners('data')
  peer.socket.on('data', (chunk: Buffer) => {
    const pieces = (tail + chunk.toString('latin1')).split(`type='invalid'`)
    answers += pieces.length - 1
    tail = pieces.at(-1)?.slice(-40) ?? ''
  })
  peer.socket.resume()
  await server.until(() => answers === asked, 25_000)
  expect(server.endpoint.streams()[0]).toMatchObject({ state: 'open', waitingBytes: 0 })
})

test('what is said after we have hung up is read to the floor, but not without end', async () => {
  const server = await juliet({})
  const peer = await peerOf(server)
  peer.say(header(ROMEO, 'elsewhere.example'))
  await peer.hears(/host-unknown/)
  expect(server.endpoint.streams()).toHaveLength(1)
  const block = Buffer.alloc(65_536, 'x')
  for (let count = 0; count < 1000 && !peer.isClosed; count += 1) {
    if (!peer.socket.write(block)) {
      await Promise.race([once(peer.socket, 'drain'), once(peer.socket, 'close')]).catch(() => undefined)
    }
  }
  await peer.closes(10_000)
  await server.until(() => server.endpoint.streams().length === 0)
})

test('mapping F.5: who has proven nothing may have so many keys looked at and no more', async () => {
  const server = await juliet({})
  const peer = await peerOf(server)
  peer.say(header(ROMEO, JULIET))
  peer.say(`<db:verify from='${ROMEO}' to='${JULIET}' id='x'>k</db:verify>`.repeat(1000))
  await peer.hears(/policy-violation/)
  expect(peer.heard.split('<db:verify').length - 1).toBe(200)
  expect(server.endpoint.failures()).toMatchObject([{ direction: 'in', remote: domain(ROMEO) }])
})
