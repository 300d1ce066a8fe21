import { createHash } from 'node:crypto'
import type { Hashes } from '@stox/kernel'
import { formatPidf, parsePidf } from '@stox/sip'
import type { Pidf, PidfTuple } from '@stox/sip'
import { formatJid, parseJid } from '@stox/xmpp'
import {
  contactToPriority,
  devicesOfPidf,
  presenceChanges,
  presenceToPidf,
  priorityToContact,
  tupleIdOf,
  unavailableFrom,
} from '@stox/translate'
import type { DevicePresence, ResourcePresence } from '@stox/translate'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const hashes: Hashes = { sha256Hex: sha256, hmacSha256Hex: (key, text) => sha256(key + text) }
const jid = (text: string) => {
  const parsed = parseJid(text)
  if (!parsed.ok) throw new Error(text)
  return parsed.value
}
const juliet = jid('juliet@example.com')
const romeo = jid('romeo@example.net')
const AT = Date.UTC(2026, 0, 1, 12)
const resource = (name: string, some: Partial<ResourcePresence> = {}): ResourcePresence => ({
  resource: name,
  show: null,
  notes: [],
  priority: 0,
  atMs: AT,
  ...some,
})
const document = (available: readonly ResourcePresence[], gone: readonly string[] = []) =>
  presenceToPidf({ contact: juliet, available, gone, atMs: AT, gruu: 'raw' }, hashes)

describe('RFC 8048 §4.2, table 1: XMPP presence as PIDF', () => {
  test('example 18 and 19, with show, status and priority [8048-4.2.resource 8048-4.2.lang 8048-4.2.priority 8048-4.2.status 8048-4.2.n7]', () => {
    const pidf = document([
      resource('yn0cl4bnw0yr3vym', {
        show: 'away',
        priority: 1,
        notes: [{ lang: 'en', text: 'Gone to the balcony' }],
      }),
    ])
    expect(pidf.entity).toBe('pres:juliet@example.com')
    expect(pidf.tuples).toEqual([
      expect.objectContaining({
        id: 'ID-yn0cl4bnw0yr3vym',
        basic: 'open',
        show: 'away',
        contact: 'sip:juliet@example.com;gr=yn0cl4bnw0yr3vym',
        contactPriority: 0.007,
        notes: [{ lang: 'en', text: 'Gone to the balcony' }],
        timestamp: '2026-01-01T12:00:00.000Z',
      }),
    ])
    expect(pidf.person).toMatchObject({ activities: ['away'] })
  })
  test.each([
    ['none', null, undefined],
    ['chat', 'chat', undefined],
    ['away', 'away', ['away']],
    ['xa', 'xa', ['away']],
    ['dnd', 'dnd', ['busy']],
  ] as const)('D.7 show %s as an activity [8048-4.2.show]', (_name, show, activities) => {
    const pidf = document([resource('a', { show })])
    expect(pidf.person?.activities).toEqual(activities)
    expect(pidf.tuples[0]).toMatchObject({ basic: 'open' })
  })
  test('§6.2, D.8: one document with a tuple a resource, the one that went closed', () => {
    const pidf = document([resource('home'), resource('phone', { show: 'dnd' })], ['work'])
    expect(pidf.tuples.map((tuple) => [tuple.id, tuple.basic])).toEqual([
      ['ID-home', 'open'],
      ['ID-phone', 'open'],
      ['ID-work', 'closed'],
    ])
    // The best available resource speaks for the person.
    expect(pidf.person).toBeUndefined()
  })
  test('D.8: none left is one closed tuple', () =>
    expect(document([]).tuples.map((tuple) => tuple.basic)).toEqual(['closed']))
  test('note 2: a tuple id is an NCName, the same every time [8048-4.2.n2]', () => {
    expect(tupleIdOf('7', hashes)).toBe('ID-7')
    expect(tupleIdOf('a b/ü', hashes)).toMatch(/^ID-[0-9a-f]{20}$/)
    expect(tupleIdOf('a b/ü', hashes)).toBe(tupleIdOf('a b/ü', hashes))
  })
  test.each([
    [-1, undefined],
    [0, 0],
    [1, 0.007],
    [2, 0.015],
    [126, 0.992],
    [127, 1],
  ])('note 4: priority %d [8048-4.2.n4neg]', (priority, q) => expect(priorityToContact(priority)).toBe(q))
  test('note 4: every priority comes back [8048-4.2.n4 8048-4.3.priority]', () => {
    for (let priority = 0; priority <= 127; priority += 1)
      expect(contactToPriority(priorityToContact(priority) ?? -1)).toBe(priority)
  })
  test('is a document that can be read [8048-4.3.lang]', () => {
    const text = formatPidf(document([resource('a b', { show: 'dnd', notes: [{ lang: null, text: '<&> 🎈' }] })]))
    const parsed = parsePidf(text)
    if (!parsed.ok) throw new Error(parsed.failure.detail)
    expect(devicesOfPidf(parsed.value)).toEqual([
      { resource: 'a b', show: 'dnd', notes: [{ lang: null, text: '<&> 🎈' }], priority: 0 },
    ])
  })
})

const tuple = (some: Partial<PidfTuple>): PidfTuple => ({
  id: 't1',
  basic: 'open',
  show: undefined,
  contact: undefined,
  contactPriority: undefined,
  notes: [],
  timestamp: undefined,
  activities: [],
  idle: false,
  ...some,
})
const pidf = (tuples: readonly PidfTuple[], some: Partial<Pidf> = {}): Pidf => ({
  entity: 'pres:romeo@example.net',
  tuples,
  person: undefined,
  notes: [],
  ...some,
})

describe('RFC 8048 §4.3, table 2: PIDF as XMPP presence', () => {
  test.each<[string, Partial<PidfTuple>, DevicePresence['show'] | 'closed']>([
    ['open [8048-4.3.basic]', {}, null],
    ['closed', { basic: 'closed', show: 'away' }, 'closed'],
    ['show [8048-4.3.show]', { show: 'xa', activities: ['busy'] }, 'xa'],
    ['busy', { activities: ['busy'] }, 'dnd'],
    ['on-the-phone', { activities: ['on-the-phone'] }, 'dnd'],
    ['dnd wins over away', { activities: ['away', 'meeting'] }, 'dnd'],
    ['vacation', { activities: ['vacation'] }, 'xa'],
    ['lunch', { activities: ['lunch'] }, 'away'],
    ['working', { activities: ['working'] }, null],
    ['idle', { idle: true }, 'away'],
    ['extended busy', { extended: 'busy' }, 'dnd'],
    ['extended available', { extended: 'available' }, null],
    ['extended offline', { extended: 'offline' }, 'closed'],
    ['of someone else', { relationship: 'assistant' }, 'closed'],
  ])('D.7 %s', (_row, some, show) => {
    const devices = devicesOfPidf(pidf([tuple(some)]))
    expect(show === 'closed' ? devices : devices[0]?.show).toEqual(show === 'closed' ? [] : show)
  })
  test('D.7: the person’s activity and note count where the tuple has none [8048-4.3.note]', () => {
    const person = { activities: ['busy'], notes: [{ lang: undefined, text: 'in a call' }], idle: false }
    expect(devicesOfPidf(pidf([tuple({})], { person }))[0]).toMatchObject({
      show: 'dnd',
      notes: [{ lang: null, text: 'in a call' }],
    })
  })
  test('D.8: the resource is gr of the contact, else the id', () => {
    const devices = devicesOfPidf(
      pidf([
        tuple({ contact: 'sip:romeo@example.net;gr=dr4%20x', contactPriority: 1 }),
        tuple({ id: 'ID-orchard' }),
        tuple({ id: 'sg89ae' }),
      ]),
    )
    expect(devices.map((device) => [device.resource, device.priority])).toEqual([
      ['dr4 x', 127],
      ['orchard', null],
      ['sg89ae', null],
    ])
  })
  test('D.8: at most five', () =>
    expect(
      devicesOfPidf(pidf([1, 2, 3, 4, 5, 6, 7].map((n) => tuple({ id: `t${n}` })))).map((device) => device.resource),
    ).toEqual(['t1', 't2', 't3', 't4', 't5']))
})

describe('D.8: what a watcher is told', () => {
  const device = (name: string, some: Partial<DevicePresence> = {}): DevicePresence => ({
    resource: name,
    show: null,
    notes: [],
    priority: null,
    ...some,
  })
  const told = (previous: readonly DevicePresence[], next: readonly DevicePresence[]) =>
    presenceChanges(previous, next, { from: romeo, to: juliet }).map((stanza) => [
      formatJid(stanza.from),
      stanza.type,
      stanza.show,
    ])
  test.each<[string, readonly DevicePresence[], readonly DevicePresence[], unknown[]]>([
    ['one comes', [], [device('a')], [['romeo@example.net/a', 'available', undefined]]],
    ['one changes', [device('a')], [device('a', { show: 'away' })], [['romeo@example.net/a', 'available', 'away']]],
    ['nothing changes', [device('a')], [device('a')], []],
    [
      'one goes, one stays',
      [device('a'), device('b')],
      [device('b')],
      [['romeo@example.net/a', 'unavailable', undefined]],
    ],
    ['nothing known before or after', [], [], []],
    ['without a name', [], [device('')], [['romeo@example.net', 'available', undefined]]],
  ])('%s', (_case, previous, next, stanzas) => expect(told(previous, next)).toEqual(stanzas))
  test('RFC 8048 example 21: unavailable from the bare address', () =>
    expect(formatJid(unavailableFrom('', { from: romeo, to: juliet }).from)).toBe('romeo@example.net'))
})
