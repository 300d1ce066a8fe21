import { utf8Length, type Outcome } from '@stox/kernel'
import {
  Pair,
  delivered,
  edgeBatch,
  gatewayBatch,
  inbound,
  outbound,
  replicaOf,
  wholeFailure,
  type PairOptions,
} from './samples.ts'

const attached = (options?: PairOptions): Pair => {
  const pair = new Pair(options).run()
  pair.news()
  return pair
}
const offer = (pair: Pair, n: number): void => {
  const envelope = inbound(n)
  pair.edge.offer(`t${n}`, envelope, utf8Length(envelope.stanzaXml))
}
const send = (pair: Pair, n: number): void => {
  const envelope = outbound(n)
  pair.gateway.offer(`t${n}`, envelope, utf8Length(envelope.stanzaXml), envelope.expiresInMs)
}

describe('the greeting', () => {
  test('hello with version, node, window, replica and streams, each way', () => {
    const notice = {
      streamId: 's1',
      direction: 'inbound',
      localDomain: 'sip.example',
      remoteDomain: 'xmpp.example',
    } as const
    const replica = replicaOf(7, 'xmpp.example', 'b.example')
    const pair = new Pair({ streams: [notice], replica }).run()
    expect(pair.atEdge).toEqual([
      { kind: 'attached', gateway: 'gateway-1' },
      { kind: 'replica', replica: { ok: true, value: replica } },
    ])
    expect(pair.atGateway).toEqual([
      { kind: 'attached', edge: 'edge-1' },
      { kind: 'stream', up: true, notice },
    ])
    expect([pair.edge.creditStanzas, pair.gateway.creditStanzas]).toEqual([4, 4])
  })

  test.each([
    ['gateway newer than the edge', [2, 3], [1], 'this edge speaks version 1 of the link, the gateway 2, 3'],
    ['gateway older than the edge', [1], [2], 'this edge speaks version 2 of the link, the gateway 1'],
    ['gateway names none', [], [1], 'this edge speaks version 1 of the link, the gateway none'],
  ])('no version in common, %s: refused, and the gateway knows why', (_case, gatewayVersions, edgeVersions, detail) => {
    const pair = new Pair({ gatewayVersions, edgeVersions }).run()
    expect(pair.atEdge).toEqual([{ kind: 'ended', end: { reason: 'version', detail } }])
    expect(pair.atGateway).toEqual([{ kind: 'ended', end: { reason: 'peer', detail: `version: ${detail}` } }])
  })

  test('the highest version in common is spoken', () => {
    const pair = new Pair({ gatewayVersions: [1, 2, 3], edgeVersions: [1, 2] }).run()
    expect(pair.atGateway).toContainEqual({ kind: 'attached', edge: 'edge-1' })
  })

  test.each([
    ['no hello', {}, 'the first batch has no hello'],
    ['no window', { hello: { versions: [1], node: 'g' } }, 'the hello names no window'],
    ['no node', { hello: { versions: [1], window: { stanzas: 1, bytes: 1 } } }, 'the hello names no node'],
    [
      'a node name that breaks lines',
      { hello: { versions: [1], node: 'a\nb', window: {} } },
      'the hello names no node',
    ],
  ])('a first batch with %s ends the link', (_case, init, detail) => {
    const pair = new Pair()
    pair.toEdge(gatewayBatch(init))
    expect(pair.atEdge).toEqual([{ kind: 'ended', end: { reason: 'protocol', detail } }])
  })

  test('an edge that chooses a version that was not offered', () => {
    const pair = new Pair()
    pair.toGateway(edgeBatch({ hello: { version: 9, node: 'edge-1', window: { stanzas: 1, bytes: 1 } } }))
    expect(pair.atGateway).toMatchObject([{ kind: 'ended', end: { reason: 'version' } }])
  })

  test('a second hello ends the link', () => {
    const pair = attached()
    pair.toEdge(gatewayBatch({ hello: { versions: [1], node: 'g', window: { stanzas: 1, bytes: 1 } } }))
    pair.toGateway(edgeBatch({ hello: { version: 1, node: 'e', window: { stanzas: 1, bytes: 1 } } }))
    expect(pair.atEdge).toMatchObject([{ kind: 'ended', end: { reason: 'protocol' } }])
    expect(pair.atGateway).toMatchObject([{ kind: 'ended', end: { reason: 'protocol' } }])
  })
})

describe('stanzas and outcomes', () => {
  test('what is written in one turn leaves as one batch, in order', () => {
    const pair = attached()
    for (const n of [1, 2, 3]) offer(pair, n)
    const batch = pair.edge.takeBatch(pair.nowMs)
    expect(batch?.stanzas.map(({ seq, correlationId }) => [seq, correlationId])).toEqual([
      [1, 'in-1'],
      [2, 'in-2'],
      [3, 'in-3'],
    ])
    expect(pair.edge.takeBatch(pair.nowMs)).toBeUndefined()
  })

  test('envelopes arrive as they were given', () => {
    const pair = attached()
    offer(pair, 1)
    send(pair, 1)
    pair.run()
    expect(pair.news()).toEqual({
      gateway: [{ kind: 'inbound', seq: 1, envelope: inbound(1) }],
      edge: [{ kind: 'outbound', seq: 1, envelope: outbound(1) }],
    })
  })

  test.each<[string, Outcome]>([
    ['delivered', delivered],
    ['bounced, the whole failure', { kind: 'bounced', failure: wholeFailure }],
    [
      'bounced, the least failure',
      { kind: 'bounced', failure: { fault: 'us', retry: 'never', condition: 'bad-request', status: 400, detail: '' } },
    ],
    ['absorbed', { kind: 'absorbed', reason: 'pubsub-event' }],
  ])('%s comes back with the token, out of order if need be', (_case, outcome) => {
    const pair = attached()
    offer(pair, 1)
    offer(pair, 2)
    send(pair, 3)
    pair.run()
    pair.news()
    expect([pair.gateway.settle(2, outcome), pair.gateway.settle(1, delivered), pair.edge.settle(1, outcome)]).toEqual([
      true,
      true,
      true,
    ])
    pair.run()
    const news = pair.news()
    expect(news.edge.filter(({ kind }) => kind === 'outcome')).toEqual([
      { kind: 'outcome', token: 't2', outcome },
      { kind: 'outcome', token: 't1', outcome: delivered },
    ])
    expect(news.gateway).toContainEqual({ kind: 'outcome', token: 't3', outcome })
    expect([pair.edge.openSent, pair.gateway.openTaken, pair.gateway.openSent, pair.edge.openTaken]).toEqual([
      0, 0, 0, 0,
    ])
  })

  test('a stanza is settled once; a number that was never taken, not at all', () => {
    const pair = attached()
    offer(pair, 1)
    pair.run()
    expect([
      pair.gateway.settle(1, delivered),
      pair.gateway.settle(1, delivered),
      pair.gateway.settle(2, delivered),
    ]).toEqual([true, false, false])
  })

  test.each([
    ['a second outcome', [1, 1], 'an outcome for stanza 1, which is not open'],
    ['an outcome for a stanza that was never sent', [2], 'an outcome for stanza 2, which is not open'],
  ])('%s from the peer ends the link', (_case, seqs, detail) => {
    const pair = attached()
    offer(pair, 1)
    pair.run()
    pair.toEdge(gatewayBatch({ outcomes: seqs.map((seq) => ({ seq, end: { case: 'delivered', value: 200 } })) }))
    expect(pair.atEdge.at(-1)).toEqual({ kind: 'ended', end: { reason: 'protocol', detail } })
    expect(pair.atEdge.filter(({ kind }) => kind === 'outcome')).toHaveLength(seqs.length - 1)
  })

  test.each([
    ['left out', [2], 'stanza 2 where 1 was due'],
    ['repeated', [1, 1], 'stanza 1 where 2 was due'],
  ])('a number %s ends the link', (_case, seqs, detail) => {
    const pair = attached()
    pair.toEdge(gatewayBatch({ stanzas: seqs.map((seq) => ({ seq, xml: '<a/>' })) }))
    expect(pair.atEdge.at(-1)).toEqual({ kind: 'ended', end: { reason: 'protocol', detail } })
  })

  test('a proof that is not known here ends the link', () => {
    const pair = attached()
    pair.toGateway(edgeBatch({ stanzas: [{ seq: 1, xml: '<a/>', provenBy: 'magic' }] }))
    expect(pair.atGateway).toMatchObject([{ kind: 'ended', end: { reason: 'protocol' } }])
  })

  test.each([
    ['no end', { case: undefined }],
    ['a status that delivers nothing', { case: 'delivered', value: 404 }],
    ['an unknown reason', { case: 'absorbed', value: 'magic' }],
    ['an unknown condition', { case: 'bounced', value: { ...wholeFailure, condition: 'magic' } }],
    ['an unknown fault', { case: 'bounced', value: { ...wholeFailure, fault: 'magic' } }],
    ['an unknown type', { case: 'bounced', value: { ...wholeFailure, errorType: 'magic' } }],
    ['a status that bounces nothing', { case: 'bounced', value: { ...wholeFailure, status: 200 } }],
  ] as const)('an outcome with %s still ends its stanza', (_case, end) => {
    const pair = attached()
    offer(pair, 1)
    pair.run()
    pair.toEdge(gatewayBatch({ outcomes: [{ seq: 1, end }] }))
    expect(pair.atEdge).toMatchObject([
      {
        kind: 'outcome',
        token: 't1',
        outcome: { kind: 'bounced', failure: { condition: 'undefined-condition', status: 500 } },
      },
    ])
  })
})

describe('credit', () => {
  test('a window of stanzas: the next waits until an outcome has earned credit', () => {
    const pair = attached({ limits: { window: { stanzas: 2, bytes: 4096 } } })
    offer(pair, 1)
    offer(pair, 2)
    expect(pair.edge.hasRoom(1)).toBe(false)
    expect(() => offer(pair, 3)).toThrow(RangeError)
    pair.run()
    pair.gateway.settle(1, delivered)
    pair.run()
    expect(pair.news().edge).toContainEqual({ kind: 'room' })
    expect(pair.edge.creditStanzas).toBe(1)
    offer(pair, 3)
    expect(pair.edge.hasRoom(1)).toBe(false)
  })

  test('a window of bytes', () => {
    const pair = attached({ limits: { window: { stanzas: 100, bytes: 150 } } })
    expect([pair.edge.fits(150), pair.edge.fits(151)]).toEqual([true, false])
    offer(pair, 1)
    offer(pair, 2)
    expect(pair.edge.hasRoom(100)).toBe(false)
    pair.run()
    pair.gateway.settle(1, delivered)
    pair.run()
    expect(pair.edge.hasRoom(utf8Length(inbound(1).stanzaXml))).toBe(true)
  })

  test('each direction has its own', () => {
    const pair = attached({ limits: { window: { stanzas: 1, bytes: 4096 } } })
    offer(pair, 1)
    expect([pair.edge.hasRoom(1), pair.gateway.hasRoom(1)]).toEqual([false, true])
  })

  test('a stanza without credit ends the link', () => {
    const pair = attached({ limits: { window: { stanzas: 1, bytes: 4096 } } })
    pair.toEdge(
      gatewayBatch({
        stanzas: [
          { seq: 1, xml: '<a/>' },
          { seq: 2, xml: '<a/>' },
        ],
      }),
    )
    expect(pair.atEdge.map(({ kind }) => kind)).toEqual(['outbound', 'ended'])
    expect(pair.edge.ended).toEqual({ reason: 'protocol', detail: 'stanza 2 of 4 bytes without credit' })
  })

  test('credit beyond the window ends the link', () => {
    const pair = attached()
    pair.toEdge(gatewayBatch({ credit: { stanzas: 1, bytes: 0 } }))
    expect(pair.edge.ended).toEqual({ reason: 'protocol', detail: 'credit beyond the window: 5 stanzas, 4096 bytes' })
  })

  test('ten thousand stanzas through a window of four: every one has one outcome, and the credit is whole again', () => {
    const pair = attached()
    const ends = new Map<string, number>()
    let next = 1
    while (ends.size < 10_000) {
      while (next <= 10_000 && pair.edge.hasRoom(100)) {
        offer(pair, next)
        next += 1
      }
      pair.run()
      const { edge, gateway } = pair.news()
      for (const event of gateway) if (event.kind === 'inbound') pair.gateway.settle(event.seq, delivered)
      for (const event of edge) if (event.kind === 'outcome') ends.set(event.token, (ends.get(event.token) ?? 0) + 1)
    }
    expect([...ends.values()].every((count) => count === 1)).toBe(true)
    expect([pair.edge.creditStanzas, pair.edge.openSent]).toEqual([4, 0])
  })
})

describe('the end', () => {
  test('what is open when a link ends is given back, oldest first, once', () => {
    const pair = attached()
    for (const n of [1, 2, 3]) offer(pair, n)
    pair.run()
    pair.gateway.settle(2, delivered)
    pair.run()
    pair.news()
    expect(pair.edge.end('transport', 'the connection is gone')).toEqual([
      { kind: 'ended', end: { reason: 'transport', detail: 'the connection is gone' } },
    ])
    expect(pair.edge.abandon()).toEqual(['t1', 't3'])
    expect(pair.edge.abandon()).toEqual([])
    expect(pair.edge.end('shutdown', 'again')).toEqual([])
    expect(pair.edge.takeBatch(pair.nowMs)).toBeUndefined()
  })

  test('a goodbye takes the outcomes along that are there, and both sides know', () => {
    const pair = attached()
    offer(pair, 1)
    offer(pair, 2)
    pair.run()
    pair.news()
    pair.gateway.settle(1, delivered)
    pair.gateway.end('shutdown', 'the gateway stops')
    expect(pair.gateway.settle(2, delivered)).toBe(false)
    pair.run()
    expect(pair.news().edge).toEqual([
      { kind: 'room' },
      { kind: 'outcome', token: 't1', outcome: delivered },
      { kind: 'ended', end: { reason: 'peer', detail: 'shutdown: the gateway stops' } },
    ])
    expect(pair.edge.abandon()).toEqual(['t2'])
  })

  test('what comes after the end is not taken', () => {
    const pair = attached()
    pair.edge.end('shutdown', 'the edge stops')
    pair.toEdge(gatewayBatch({ stanzas: [{ seq: 1, xml: '<a/>' }] }))
    expect(pair.atEdge).toEqual([])
  })
})

describe('heartbeat', () => {
  test('every heartbeatMs, and its echo tells the round trip', () => {
    const pair = attached()
    pair.nowMs += 1499
    pair.edge.tick(pair.nowMs)
    expect(pair.edge.takeBatch(pair.nowMs)).toBeUndefined()
    pair.nowMs += 1
    pair.edge.tick(pair.nowMs)
    const beat = pair.edge.takeBatch(pair.nowMs)
    expect(beat?.heartbeat?.atMs).toBe(pair.nowMs)
    pair.nowMs += 12
    if (beat !== undefined) pair.toGateway(beat)
    pair.run()
    expect(pair.edge.roundTripMs).toBe(12)
    expect(pair.atEdge).toEqual([{ kind: 'round-trip', ms: 12 }])
  })

  test.each([
    [4999, undefined],
    [5000, 'silence'],
  ])('a peer that says nothing for %i ms: %s', (silentMs, reason) => {
    const pair = attached()
    pair.nowMs += silentMs
    pair.edge.tick(pair.nowMs)
    pair.gateway.tick(pair.nowMs)
    expect([pair.edge.ended?.reason, pair.gateway.ended?.reason]).toEqual([reason, reason])
  })

  test('a peer that never says hello', () => {
    const pair = new Pair()
    expect(pair.edge.tick(pair.nowMs + 5000)).toMatchObject([{ kind: 'ended', end: { reason: 'silence' } }])
  })

  test('two that only beat stay attached for an hour', () => {
    const pair = attached()
    for (let second = 0; second < 3600; second += 1) {
      pair.nowMs += 1000
      pair.edge.tick(pair.nowMs)
      pair.gateway.tick(pair.nowMs)
      pair.run()
    }
    expect([pair.edge.ended, pair.gateway.ended]).toEqual([undefined, undefined])
  })
})

describe('the replica', () => {
  test('a change follows as whole objects, and its acknowledgement names the revision', () => {
    const first = replicaOf(1, 'a.example', 'b.example', 'c.example')
    const pair = attached({ replica: first })
    const second = replicaOf(2, 'a.example', 'c.example', 'd.example')
    pair.gateway.publish(second)
    pair.run()
    const { edge } = pair.news()
    expect(edge).toMatchObject([
      { kind: 'change', change: { ok: true, value: { base: 1, revision: 2, removedPartners: ['b.example'] } } },
    ])
    pair.edge.acknowledge(2)
    pair.run()
    expect(pair.news().gateway).toEqual([{ kind: 'replica-acknowledged', revision: 2, problem: undefined }])
  })

  test('two changes in one turn go as the whole', () => {
    const pair = attached()
    pair.gateway.publish(replicaOf(2, 'a.example'))
    const third = replicaOf(3, 'a.example', 'b.example')
    pair.gateway.publish(third)
    pair.run()
    expect(pair.news().edge).toEqual([{ kind: 'replica', replica: { ok: true, value: third } }])
  })

  test('a change that the edge cannot use is followed by the whole, once', () => {
    const pair = attached()
    const second = replicaOf(2, 'a.example')
    pair.gateway.publish(second)
    pair.run()
    pair.news()
    pair.edge.acknowledge(9, 'held is 9')
    pair.run()
    expect(pair.news().edge).toEqual([{ kind: 'replica', replica: { ok: true, value: second } }])
    pair.edge.acknowledge(9, 'still not')
    pair.run()
    expect(pair.news().edge).toEqual([])
  })

  test('published before the hello was answered: the whole follows', () => {
    const pair = new Pair()
    const second = replicaOf(2, 'z.example')
    pair.gateway.publish(second)
    pair.run()
    expect(pair.atEdge.at(-1)).toEqual({ kind: 'replica', replica: { ok: true, value: second } })
  })

  test('one that cannot be read is handed over as a problem, not as a replica', () => {
    const pair = attached()
    pair.toEdge(gatewayBatch({ replica: { revision: 2, modelJson: '{"partners": 7}', dialbackSecret: 'x' } }))
    pair.toEdge(gatewayBatch({ delta: { base: 1, revision: 2, settingsJson: 'nonsense' } }))
    expect(pair.atEdge).toMatchObject([
      { kind: 'replica', replica: { ok: false } },
      { kind: 'change', change: { ok: false, failure: 'not JSON' } },
    ])
  })
})

test('streams that come and go are told', () => {
  const pair = attached()
  const notice = {
    streamId: 's1',
    direction: 'outbound',
    localDomain: 'sip.example',
    remoteDomain: 'xmpp.example',
  } as const
  pair.edge.streamChanged(notice, true)
  pair.edge.streamChanged(notice, false)
  pair.run()
  expect(pair.news().gateway).toEqual([
    { kind: 'stream', up: true, notice },
    { kind: 'stream', up: false, notice },
  ])
})
