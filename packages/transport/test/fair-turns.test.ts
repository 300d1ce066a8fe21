import { setImmediate as nextTurn } from 'node:timers/promises'
import { FairTurns } from '../src/fair-turns.ts'
import { RULES, RawPeer, RawServer, TableResolver, TestServer, dialbackSpeaker, header } from './xmpp-support.ts'

const connection = () => {
  const seen: boolean[] = []
  return { seen, waitForTurn: (isWaiting: boolean) => void seen.push(isWaiting) }
}

const piece = (bytes: number, ms = 0, isAlone = true) => ({ bytes, ms, isAlone })

test('a partner that has had its share waits for the next turn, and others do not', async () => {
  const turns = new FairTurns()
  const [greedy, modest] = [connection(), connection()]
  turns.onRead('greedy', greedy, piece(8_100))
  expect(greedy.seen).toEqual([])
  turns.onRead('greedy', greedy, piece(8_100))
  turns.onRead('modest', modest, piece(8_100))
  expect([greedy.seen, modest.seen]).toEqual([[true], []])
  await nextTurn()
  expect(greedy.seen).toEqual([true, false])
})

test('what takes long is a share too, beside others, and then a turn is no turn of the event loop', async () => {
  const turns = new FairTurns()
  const [slow, alone] = [connection(), connection()]
  turns.onRead('slow', slow, piece(100, 0.2, false))
  turns.onRead('alone', alone, piece(100, 5))
  expect([slow.seen, alone.seen]).toEqual([[], []])
  turns.onRead('slow', slow, piece(100, 0.2, false))
  expect(slow.seen).toEqual([true])
  while (slow.seen.length < 2) await nextTurn()
  expect(slow.seen).toEqual([true, false])
})

test('of a partner’s connections that wait one goes on in each turn', async () => {
  const turns = new FairTurns()
  const three = [connection(), connection(), connection()]
  three.forEach((one) => turns.onRead('greedy', one, piece(65_536)))
  const onTurn = () => three.map(({ seen }) => seen.at(-1))
  expect(onTurn()).toEqual([true, true, true])
  await nextTurn()
  expect(onTurn()).toEqual([false, true, true])
  await nextTurn()
  expect(onTurn()).toEqual([false, false, true])
  await nextTurn()
  expect(onTurn()).toEqual([false, false, false])
})

test('who reads on at once in his turn, and has his share of it, waits again: there is an end to each turn', async () => {
  const turns = new FairTurns()
  let pieces = 0
  const greedy = {
    waitForTurn(isWaiting: boolean): void {
      if (isWaiting || pieces === 4) return
      pieces += 1
      turns.onRead('greedy', greedy, piece(65_536))
    },
  }
  turns.onRead('greedy', greedy, piece(65_536))
  for (const expected of [1, 2, 3]) {
    await nextTurn()
    expect(pieces).toBe(expected)
  }
})

test('bytes one by one are dear', () => {
  const turns = new FairTurns()
  const one = connection()
  for (let count = 0; count < 127; count += 1) turns.onRead('drips', one, piece(1))
  expect(one.seen).toEqual([])
  turns.onRead('drips', one, piece(1))
  expect(one.seen).toEqual([true])
})

const [GREEDY, MODEST, US] = ['greedy.example', 'modest.example', 'capulet.example']
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

test('megabytes that wait in one socket do not keep another from being read', async () => {
  const resolver = new TableResolver()
  const server = await new TestServer(US, resolver).listen()
  closing.push(() => server.endpoint.close())
  const peers: RawPeer[] = []
  for (const name of [GREEDY, MODEST]) {
    const authority = await new RawServer(dialbackSpeaker(name)).listen()
    resolver.srvRecords.set(`_xmpp-server._tcp.${name}`, [
      { priority: 10, weight: 0, port: authority.port, target: 'x.example' },
    ])
    server.partners.set(name, { ...RULES.tlsNotSupported, partner: name })
    const peer = await RawPeer.connect(server.port)
    closing.unshift(async () => peer.socket.destroy())
    closing.push(() => authority.close())
    resolver.hosts.set('x.example', ['127.0.0.1'])
    peer.say(header(name, US)).say(`<db:result from='${name}' to='${US}'>k</db:result>`)
    await peer.hears(/type=.valid/)
    peers.push(peer)
  }
  const message = (from: string, body: string) =>
    `<message from='a@${from}' to='b@${US}'><body>${body}</body></message>`
  // When the modest one speaks, the window of the other is as wide as it gets, and full.
  const BEGINS = 3000
  server.onStanza = () => {
    if (server.arrived.length === BEGINS) peers[1]?.say(message(MODEST, 'one'))
  }
  peers[0]?.say(message(GREEDY, 'x'.repeat(1000)).repeat(8000))
  const placeOfModest = () => server.arrived.findIndex(({ context }) => context.peer.domain === MODEST)
  await server.until(() => placeOfModest() >= 0 && server.arrived.length === 8001, 20_000)
  expect(placeOfModest() - BEGINS).toBeLessThan(250)
})
