import { createHash } from 'node:crypto'
import type { Hashes } from '@stox/kernel'
import { formatPidf, parsePidf } from '@stox/sip'
import type { Pidf, PidfTuple } from '@stox/sip'
import { formatJid, parseIdle, parseJid, parseStanzaText } from '@stox/xmpp'
import {
  contactToPriority,
  deviceToPresence,
  devicesOfPidf,
  presenceChanges,
  presenceToPidf,
  priorityToContact,
  resourceOfPresence,
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

/** An RPID activity that says this much. @see RFC 4480 §3.2 */
const row =
  (show: DevicePresence['show']) =>
  (activity: string): [string, Partial<PidfTuple>, DevicePresence['show']] => [
    activity,
    { activities: [activity] },
    show,
  ]

describe('D.7, XEP-0319: since when nobody is there', () => {
  const since = '2026-01-01T11:30:00.000Z'
  const idleSinceMs = Date.parse(since)
  const heard = (xml: string): ResourcePresence => {
    const stanza = parseStanzaText(
      `<presence xmlns='jabber:server' from='juliet@example.com/balcony' to='romeo@example.net'>${xml}</presence>`,
    )
    if (!stanza.ok || stanza.value.kind !== 'presence') throw new Error(xml)
    return resourceOfPresence(stanza.value, AT)
  }
  test.each([
    ['in UTC', `<idle xmlns='urn:xmpp:idle:1' since='${since}'/>`, idleSinceMs],
    ['in another zone', `<idle xmlns='urn:xmpp:idle:1' since='2026-01-01T12:30:00+01:00'/>`, idleSinceMs],
    ['that is no time', `<idle xmlns='urn:xmpp:idle:1' since='yesterday'/>`, undefined],
    ['of another namespace', `<idle xmlns='urn:x' since='${since}'/>`, undefined],
    ['none', '<show>away</show>', undefined],
  ])('%s', (_what, xml, expected) => expect(heard(xml).idleSinceMs).toBe(expected))

  test('XMPP to SIP: user-input idle with last-input, of the tuple and of the person', () => {
    const xml = formatPidf(document([resource('balcony', { idleSinceMs })]))
    expect(xml).toContain(`<rpid:user-input last-input='${since}'>idle</rpid:user-input>`)
    const parsed = parsePidf(xml)
    if (!parsed.ok) throw new Error(parsed.failure.detail)
    expect(parsed.value.tuples[0]).toMatchObject({ idle: true, idleSince: since })
    expect(parsed.value.person).toEqual({ activities: [], notes: [], idle: true, idleSince: since })
  })
  test.each<[string, Partial<PidfTuple>, Pidf['person'], number | undefined]>([
    ['of the tuple', { idle: true, idleSince: since }, undefined, idleSinceMs],
    ['of the person', {}, { activities: [], notes: [], idle: true, idleSince: since }, idleSinceMs],
    ['that does not say since when', { idle: true }, undefined, undefined],
    ['that says it wrongly', { idle: true, idleSince: 'noon' }, undefined, undefined],
    ['none', {}, { activities: [], notes: [], idle: false }, undefined],
  ])('SIP to XMPP: %s', (_what, some, person, expected) => {
    const [device] = devicesOfPidf(pidf([tuple(some)], { person }))
    expect(device?.idleSinceMs).toBe(expected)
    if (device === undefined) throw new Error('no device')
    expect(parseIdle(deviceToPresence(device, { from: romeo, to: juliet }).element)).toBe(expected)
  })
  test('who touches his device again is told so', () => {
    const [before] = devicesOfPidf(pidf([tuple({ idle: true, idleSince: since, activities: ['away'] })]))
    const [after] = devicesOfPidf(pidf([tuple({ activities: ['away'] })]))
    if (before === undefined || after === undefined) throw new Error('no device')
    expect(presenceChanges([before], [after], { from: romeo, to: juliet })).toHaveLength(1)
    expect(presenceChanges([before], [before], { from: romeo, to: juliet })).toEqual([])
  })
})

describe('RFC 8048 §4.3, table 2: PIDF as XMPP presence', () => {
  test.each<[string, Partial<PidfTuple>, DevicePresence['show'] | 'closed']>([
    ['open [8048-4.3.basic]', {}, null],
    ['closed', { basic: 'closed', show: 'away' }, 'closed'],
    ['show [8048-4.3.show]', { show: 'xa', activities: ['busy'] }, 'xa'],
    ...['busy', 'on-the-phone', 'meeting', 'appointment', 'presentation', 'performance', 'worship'].map(row('dnd')),
    ...['vacation', 'holiday', 'permanent-absence', 'sleeping'].map(row('xa')),
    ...['away', 'breakfast', 'lunch', 'dinner', 'meal', 'in-transit', 'steering', 'travel', 'shopping'].map(
      row('away'),
    ),
    ...['working', 'other', 'unknown', 'playing', 'tv', 'spectator', 'looking-for-work'].map(row(null)),
    ['dnd wins over away', { activities: ['away', 'meeting'] }, 'dnd'],
    ['an activity wins over idle', { activities: ['vacation'], idle: true }, 'xa'],
    ['no activity', { activities: [] }, null],
    ['extended away', { extended: 'away' }, 'away'],
    ['idle', { idle: true }, 'away'],
    ['extended busy', { extended: 'busy' }, 'dnd'],
    ['extended available', { extended: 'available' }, null],
    ['extended offline', { extended: 'offline' }, 'closed'],
    ['of someone else', { relationship: 'assistant' }, 'closed'],
  ])('D.7 %s', (_row, some, show) => {
    const devices = devicesOfPidf(pidf([tuple(some)]))
    expect(show === 'closed' ? devices : devices[0]?.show).toEqual(show === 'closed' ? [] : show)
  })
  test.each<[string, string, Partial<PidfTuple>, boolean, DevicePresence['show']]>([
    ['On the phone', 'On the phone', {}, true, 'dnd'],
    ['Busy', ' busy ', {}, true, 'dnd'],
    ['Busy (DND)', 'Busy (DND)', {}, true, 'dnd'],
    ['Do not disturb', 'Do Not Disturb', {}, true, 'dnd'],
    ['Away', 'Away', {}, true, 'away'],
    ['no more than a word of them', 'Busy bees', {}, true, null],
    ['no word of an object', 'constructor', {}, true, null],
    ['an activity wins', 'Busy', { activities: ['vacation'] }, true, 'xa'],
    ['a show wins', 'Busy', { show: 'chat' }, true, 'chat'],
    ['not where it is not wanted', 'Busy', {}, false, null],
  ])('D.7, noteHeuristics: %s', (_row, text, some, wanted, show) => {
    const [device] = devicesOfPidf(pidf([tuple({ ...some, notes: [{ lang: undefined, text }] })]), wanted)
    expect(device).toMatchObject({ show, notes: [{ text }] })
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
