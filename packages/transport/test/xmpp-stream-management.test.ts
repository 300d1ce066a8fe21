import { Realm } from './external-peer.ts'
import { connect, createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { once } from 'node:events'
import type { RawPeer, TestServer } from './xmpp-support.ts'
import { RULES, TableResolver, domain } from './xmpp-support.ts'

const ROMEO = 'montague.example'
const JULIET = 'capulet.example'
const SM = `xmlns='urn:xmpp:sm:3'`

let realm: Realm
beforeAll(async () => (realm = await Realm.create()))
afterEach(() => realm.close())

const message = (id: string) => `<message from='r@${ROMEO}' to='j@${JULIET}' id='${id}'><body>Hi</body></message>`
const answersIn = (peer: RawPeer) => [...peer.heard.matchAll(/<a [^>]*h='(\d+)'/g)].map((found) => Number(found[1]))

describe('inbound', () => {
  /** Each stanza waits for its outcome by its id. */
  const scene = async () => {
    const juliet = await realm.server(JULIET, new TableResolver(), ROMEO)
    const outcomes = new Map<string, () => void>()
    juliet.onStanza = ({ stanza }) => new Promise<void>((resolve) => outcomes.set(stanza.id ?? '', resolve))
    const romeo = await realm.peer(ROMEO, juliet)
    expect(romeo.heard).toContain(`<sm ${SM}/>`)
    return { juliet, romeo, end: (id: string) => outcomes.get(id)?.() }
  }
  const enabled = async (romeo: RawPeer) => {
    romeo.say(`<enable ${SM}/>`)
    await romeo.hears(/<enabled [^>]*\/>/)
  }
  const arrive = (juliet: TestServer, count: number) => juliet.until(() => juliet.arrived.length === count)

  test('XEP-0198 §4: acknowledged is the leading run of those that have their outcome, and no more', async () => {
    const { juliet, romeo, end } = await scene()
    romeo.say(message('before'))
    await enabled(romeo)
    romeo.say(message('m1') + message('m2') + message('m3') + `<r ${SM}/>`)
    await arrive(juliet, 4)
    await romeo.hears(/<a [^>]*h='0'/)
    end('m2')
    end('m3')
    // What came before <enable/> does not count, and what waits for m1 does not either.
    end('before')
    end('m1')
    // Unasked, as soon as there is something to say.
    await romeo.hears(/<a [^>]*h='3'/)
    expect(answersIn(romeo)).toEqual([0, 3])
    expect(juliet.endpoint.streams()).toMatchObject([{ streamManagement: true, stanzasIn: 4 }])
  })

  test('a broken stanza counts once it is answered', async () => {
    const { romeo } = await scene()
    await enabled(romeo)
    romeo.say(`<iq from='r@${ROMEO}' to='j@${JULIET}' type='get'><q xmlns='x'/></iq><r ${SM}/>`)
    await romeo.hears(/<a [^>]*h='1'/)
  })

  test('who does not wait is not told, and who waits is not told of each', async () => {
    const { juliet, romeo, end } = await scene()
    await enabled(romeo)
    const ids = Array.from({ length: 200 }, (_, count) => `m${count}`)
    romeo.say(ids.map(message).join(''))
    await arrive(juliet, 200)
    for (const id of ids.slice(0, 100)) end(id)
    romeo.say(`<r ${SM}/>`)
    await romeo.hears(/<a [^>]*h='100'/)
    expect(answersIn(romeo)).toEqual([100])
    for (const id of ids.slice(100)) end(id)
    await romeo.hears(/<a [^>]*h='200'/)
    expect(answersIn(romeo).length).toBeLessThan(10)
  })

  test('XEP-0198 §6: a count of ours that is too high ends the stream', async () => {
    const { juliet, romeo } = await scene()
    await enabled(romeo)
    romeo.say(`<a ${SM} h='1'/>`)
    await romeo.hears(/<undefined-condition [^>]*\/><handled-count-too-high [^>]*h='1' send-count='0'\/>/)
    await romeo.closes()
    expect(juliet.refused).toEqual(['stream-management'])
  })

  test('XEP-0198 §7: the last count comes before the end of the stream', async () => {
    const { juliet, romeo, end } = await scene()
    await enabled(romeo)
    romeo.say(message('m1') + message('m2'))
    await arrive(juliet, 2)
    end('m1')
    // The promise's own turn.
    await new Promise((resolve) => setImmediate(resolve))
    juliet.endpoint.closeStream(juliet.ups[0]?.streamId ?? '')
    await romeo.hears(/<a [^>]*h='1'\/><\/stream:stream>/)
  })
})

/** What is between two servers, and can be cut. */
class Wire {
  readonly #server: Server
  readonly #sockets: Socket[] = []
  port = 0

  constructor(to: number) {
    this.#server = createServer((near) => {
      const far = connect({ host: '127.0.0.1', port: to })
      for (const socket of [near, far]) socket.on('error', () => {})
      near.pipe(far).pipe(near)
      this.#sockets.push(near, far)
    })
  }

  async open(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    const address = this.#server.address()
    this.port = typeof address === 'object' && address !== null ? address.port : 0
    return this
  }

  cut(): void {
    for (const socket of this.#sockets.splice(0)) socket.destroy()
  }

  close(): Promise<unknown> {
    this.cut()
    return new Promise((resolve) => this.#server.close(resolve))
  }
}

describe('outbound', () => {
  const scene = async (limits = {}) => {
    const resolver = new TableResolver()
    const juliet = await realm.server(JULIET, resolver, ROMEO)
    const romeo = await realm.server(ROMEO, resolver, JULIET, { limits: { backOffFirstMs: 50, ...limits } })
    const wire = await new Wire(juliet.port).open()
    realm.onClose(() => wire.close())
    resolver.srvRecords.set(`_xmpp-server._tcp.${JULIET}`, [
      { priority: 10, weight: 0, port: wire.port, target: `x.${JULIET}` },
    ])
    const outcomes = new Map<string, () => void>()
    juliet.onStanza = ({ stanza }) => new Promise<void>((resolve) => outcomes.set(stanza.id ?? '', resolve))
    return { romeo, juliet, wire, end: (id: string) => outcomes.get(id)?.() }
  }
  const idsOf = (server: TestServer) => server.arrived.map(({ stanza: { id } }) => id)

  test('XEP-0198 §4: sent is what has come to its end over there', async () => {
    const { romeo, juliet, end } = await scene()
    const settled: string[] = []
    for (const id of ['m1', 'm2']) void romeo.send(juliet.domain, id).then(() => settled.push(id))
    await juliet.until(() => juliet.arrived.length === 2)
    end('m2')
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(settled).toEqual([])
    end('m1')
    await romeo.until(() => settled.length === 2)
    expect(romeo.endpoint.streams()).toMatchObject([{ direction: 'out', streamManagement: true, stanzasOut: 2 }])
  })

  test('not acknowledged in time: it counts as sent', async () => {
    const { romeo, juliet } = await scene({ acknowledgeWithinMs: 200 })
    expect(await romeo.send(juliet.domain, 'm1')).toMatchObject({ kind: 'sent' })
    expect(idsOf(juliet)).toEqual(['m1'])
  })

  test('the connection breaks: what was not acknowledged comes again, once, before what is new', async () => {
    const { romeo, juliet, wire, end } = await scene()
    const first = [romeo.send(juliet.domain, 'm1'), romeo.send(juliet.domain, 'm2'), romeo.send(juliet.domain, 'm3')]
    await juliet.until(() => juliet.arrived.length === 3)
    end('m1')
    await first[0]
    wire.cut()
    await romeo.until(() => romeo.downs.length > 0)
    first.push(romeo.send(juliet.domain, 'm4'))
    await juliet.until(() => juliet.arrived.length === 6)
    for (const id of ['m2', 'm3', 'm4']) end(id)
    expect((await Promise.all(first)).map(({ kind }) => kind)).toEqual(['sent', 'sent', 'sent', 'sent'])
    expect(idsOf(juliet)).toEqual(['m1', 'm2', 'm3', 'm2', 'm3', 'm4'])
  })

  test('we close the stream politely under load: each comes once, and nobody waits in vain', async () => {
    const { romeo, juliet } = await scene()
    juliet.onStanza = () => {}
    const ids = Array.from({ length: 300 }, (_, count) => `m${count}`)
    const sending = ids.map((id) => romeo.send(juliet.domain, id))
    await romeo.until(() => romeo.ups.length === 1)
    romeo.endpoint.closeStream(romeo.ups[0]?.streamId ?? '')
    sending.push(romeo.send(juliet.domain, 'last'))
    expect((await Promise.all(sending)).every(({ kind }) => kind === 'sent')).toBe(true)
    expect(idsOf(juliet)).toEqual([...ids, 'last'])
    expect(romeo.endpoint.failures()).toEqual([])
  })

  test('a flood is acknowledged in few words', async () => {
    const { romeo, juliet } = await scene()
    juliet.onStanza = () => {}
    await romeo.send(juliet.domain, 'first')
    const before = bytesOf(romeo)
    const sending = Array.from({ length: 2_000 }, (_, count) => romeo.send(juliet.domain, `m${count}`, 'x'))
    expect((await Promise.all(sending)).every(({ kind }) => kind === 'sent')).toBe(true)
    // One request and one answer for a hundred stanzas would be many.
    expect(bytesOf(romeo) - before).toBeLessThan(2_000)
  })

  const bytesOf = (server: TestServer) => server.endpoint.streams()[0]?.bytesIn ?? 0
})

describe('both ways on one stream (XEP-0288)', () => {
  const scene = async () => {
    const resolver = new TableResolver()
    const juliet = await realm.server(JULIET, resolver, ROMEO)
    const romeo = await realm.server(ROMEO, resolver, JULIET, { limits: { backOffFirstMs: 50 } })
    return { romeo, juliet, resolver }
  }

  test('who was dialled answers on the same stream, with acknowledgements both ways', async () => {
    const { romeo, juliet } = await scene()
    const ids = Array.from({ length: 100 }, (_, count) => `m${count}`)
    await romeo.send(juliet.domain, 'first')
    const sent = await Promise.all(ids.flatMap((id) => [romeo.send(juliet.domain, id), juliet.send(romeo.domain, id)]))
    expect(sent.every(({ kind }) => kind === 'sent')).toBe(true)
    expect(romeo.arrived.map(({ stanza: { id } }) => id)).toEqual(ids)
    expect(romeo.arrived[0]?.context).toMatchObject({ peer: { domain: JULIET, provenBy: 'sasl-external' } })
    const both = { bidirectional: true, streamManagement: true }
    expect(romeo.endpoint.streams()).toMatchObject([{ direction: 'out', stanzasIn: 100, stanzasOut: 101, ...both }])
    expect(juliet.endpoint.streams()).toMatchObject([{ direction: 'in', stanzasIn: 101, stanzasOut: 100, ...both }])
  })

  test('it ends: each side sends again what was not acknowledged, on whatever stream comes next', async () => {
    const { romeo, juliet } = await scene()
    await romeo.send(juliet.domain, 'first')
    const held: (() => void)[] = []
    romeo.onStanza = () => new Promise<void>((resolve) => held.push(resolve))
    const sending = juliet.send(romeo.domain, 'm1')
    await romeo.until(() => held.length === 1)
    romeo.endpoint.closeStream(romeo.ups[0]?.streamId ?? '')
    await romeo.until(() => held.length === 2)
    for (const end of held) end()
    expect(await sending).toMatchObject({ kind: 'sent' })
    expect(romeo.arrived.map(({ stanza: { id } }) => id)).toEqual(['m1', 'm1'])
  })

  test('who was dialled and has no way of its own to the other', async () => {
    const { romeo, juliet, resolver } = await scene()
    resolver.srvRecords.delete(`_xmpp-server._tcp.${ROMEO}`)
    expect(await juliet.send(romeo.domain, 'm1')).toMatchObject({ kind: 'failed' })
    await romeo.send(juliet.domain, 'first')
    expect(await juliet.send(romeo.domain, 'm2')).toMatchObject({ kind: 'sent' })
  })

  test('a partner whose record does not go by certificates: one stream each way', async () => {
    const { romeo, juliet } = await scene()
    for (const [server, other] of [
      [romeo, JULIET],
      [juliet, ROMEO],
    ] as const) {
      server.partners.set(other, RULES.tlsRequired)
    }
    await romeo.send(juliet.domain, 'm1')
    await juliet.send(romeo.domain, 'm2')
    expect(romeo.endpoint.streams().filter(({ pairs }) => pairs.length > 0)).toMatchObject([
      { direction: 'out', bidirectional: false },
      { direction: 'in', bidirectional: false },
    ])
  })

  test('a scripted peer hears the stanzas of its own pair on its own stream, and no others', async () => {
    const { juliet, resolver } = await scene()
    const peer = await realm.peer(ROMEO, juliet, `<bidi xmlns='urn:xmpp:bidi'/>`)
    resolver.srvRecords.delete(`_xmpp-server._tcp.${ROMEO}`)
    expect(await juliet.send(domain(ROMEO), 'm1', 'on your own stream')).toMatchObject({ kind: 'sent' })
    await peer.hears(/on your own stream/)
    // Nobody else's stanzas go there.
    juliet.partners.set('other.example', RULES.saslOnly)
    expect(await juliet.send(domain('other.example'), 'm2', 'not for him')).toMatchObject({ kind: 'failed' })
    expect(peer.heard).not.toContain('not for him')
  })
})

describe('we stop', () => {
  const scene = async (isManaged: boolean) => {
    const juliet = await realm.server(JULIET, new TableResolver(), ROMEO)
    const ends: (() => void)[] = []
    juliet.onStanza = () => new Promise<void>((resolve) => ends.push(resolve))
    const romeo = await realm.peer(ROMEO, juliet)
    if (isManaged) {
      romeo.say(`<enable ${SM}/>`)
      await romeo.hears(/<enabled/)
    }
    romeo.say(message('m1') + message('m2'))
    await juliet.until(() => juliet.arrived.length === 2)
    return { juliet, romeo, ends, closed: juliet.endpoint.close() }
  }

  test('with stream management: what we have is finished and acknowledged, what comes is left to the peer', async () => {
    const { juliet, romeo, ends, closed } = await scene(true)
    romeo.say(message('m3'))
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(romeo.heard).not.toContain('</stream:stream>')
    for (const end of ends) end()
    await romeo.hears(/<a [^>]*h='2'\/><\/stream:stream>$/)
    romeo.say('</stream:stream>')
    await closed
    expect(juliet.arrived).toHaveLength(2)
  })

  test('without it: our side is closed, and what still comes is ours', async () => {
    const { juliet, romeo, ends, closed } = await scene(false)
    await romeo.hears(/<\/stream:stream>$/)
    romeo.say(`${message('m3')}</stream:stream>`)
    await juliet.until(() => juliet.arrived.length === 3)
    for (const end of ends) end()
    await closed
  })

  test('nothing new is sent, and answers still are', async () => {
    const resolver = new TableResolver()
    const juliet = await realm.server(JULIET, resolver, ROMEO)
    const romeo = await realm.server(ROMEO, resolver, JULIET)
    const ends: (() => void)[] = []
    juliet.onStanza = () => new Promise<void>((resolve) => ends.push(resolve))
    const first = romeo.send(juliet.domain, 'm1')
    await juliet.until(() => ends.length === 1)
    const closed = juliet.endpoint.close()
    expect(await juliet.send(romeo.domain, 'new')).toMatchObject({ kind: 'failed', failure: { fault: 'us' } })
    const xml = `<message from='a@${JULIET}' to='b@${ROMEO}' id='answer'/>`
    expect(await juliet.endpoint.answer(juliet.domain, romeo.domain, xml, { maxWaitMs: 5_000 })).toMatchObject({
      kind: 'sent',
    })
    ends[0]?.()
    await closed
    expect(await first).toMatchObject({ kind: 'sent' })
    expect(romeo.arrived.map(({ stanza: { id } }) => id)).toEqual(['answer'])
  })

  test('what does not end in time does not keep us', async () => {
    const juliet = await realm.server(JULIET, new TableResolver(), ROMEO, {
      limits: { drainTimeoutMs: 100, closeTimeoutMs: 200 },
    })
    juliet.onStanza = () => new Promise<void>(() => {})
    const romeo = await realm.peer(ROMEO, juliet)
    romeo.say(message('m1'))
    await juliet.until(() => juliet.arrived.length === 1)
    await juliet.endpoint.close()
  })
})
