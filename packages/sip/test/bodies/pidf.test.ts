import * as fc from 'fast-check'
import { utf8Bytes } from '@stox/kernel'
import { formatPidf, parsePidf } from '../../src/index.ts'
import type { Pidf, PidfTuple } from '../../src/index.ts'

function read(text: string | Uint8Array, nowMs?: number): Pidf {
  const parsed = parsePidf(text, nowMs)
  if (!parsed.ok) throw new Error(parsed.failure.detail)
  return parsed.value
}

const tuple: PidfTuple = {
  id: 'ID-yn0cl4bnw0yr3vym',
  basic: 'open',
  show: 'away',
  contact: 'sip:juliet@example.com;gr=yn0cl4bnw0yr3vym',
  contactPriority: 0.007,
  notes: [{ lang: 'en', text: 'Gone to the balcony' }],
  timestamp: '2026-01-01T12:00:00Z',
  activities: [],
  idle: false,
}
const pidf: Pidf = {
  entity: 'pres:juliet@example.com',
  tuples: [tuple],
  person: { activities: ['away'], notes: [], idle: false },
  notes: [],
}

test('RFC 3863 §4, RFC 8048 §4.2: the shape we write', () => {
  const [declaration, document] = formatPidf(pidf).split('\n')
  expect(declaration).toBe('<?xml version="1.0" encoding="UTF-8"?>')
  expect(document).toBe(
    [
      '<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"',
      ' xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="pres:juliet@example.com">',
      '<tuple id="ID-yn0cl4bnw0yr3vym">',
      '<status><basic>open</basic><show xmlns="jabber:client">away</show></status>',
      '<contact priority="0.007">sip:juliet@example.com;gr=yn0cl4bnw0yr3vym</contact>',
      '<note xml:lang="en">Gone to the balcony</note>',
      '<timestamp>2026-01-01T12:00:00Z</timestamp>',
      '</tuple>',
      '<dm:person id="P1"><rpid:activities><rpid:away/></rpid:activities></dm:person>',
      '</presence>',
    ]
      .join('')
      .replaceAll('"', "'"),
  )
})

test('what we write is read again as it was', () => {
  const text = fc.string({ unit: fc.constantFrom(...'ab <>&\'"é大🌹\n'), maxLength: 12 })
  const note = fc.record({ lang: fc.constantFrom(undefined, 'en', 'fi'), text })
  const activities = fc.uniqueArray(fc.constantFrom('away', 'busy', 'on-the-phone', 'meeting'))
  const contact = fc.constantFrom(
    { contact: undefined, contactPriority: undefined },
    { contact: 'sip:juliet@example.com;gr=a%20b', contactPriority: undefined },
    { contact: 'sip:juliet@example.com', contactPriority: 0.992 },
    { contact: 'sip:juliet@example.com', contactPriority: 1 },
  )
  const rest = fc.record({
    id: fc.constantFrom('ID-1', 'ID-x.y'),
    basic: fc.constantFrom(undefined, 'open' as const, 'closed' as const),
    show: fc.constantFrom(undefined, 'away' as const, 'chat' as const, 'dnd' as const, 'xa' as const),
    notes: fc.array(note, { maxLength: 2 }),
    timestamp: fc.constantFrom(undefined, '2026-01-01T12:00:00Z'),
    activities,
    idle: fc.boolean(),
  })
  const one = fc.tuple(rest, contact).map(([made, reached]) => Object.assign(made, reached))
  const person = fc.option(fc.record({ activities, notes: fc.array(note, { maxLength: 2 }), idle: fc.boolean() }), {
    nil: undefined,
  })
  const document = fc.record({
    entity: fc.constant('pres:o%27malley@example.com'),
    tuples: fc.array(one, { maxLength: 3 }),
    person,
    notes: fc.array(note, { maxLength: 2 }),
  })
  fc.assert(
    fc.property(document, (made) => {
      expect(read(formatPidf(made))).toEqual(made)
      expect(read(utf8Bytes(formatPidf(made)))).toEqual(made)
    }),
    { seed: 3863, numRuns: 200 },
  )
})

test('RFC 3863 §4.3.1: other prefixes, other namespaces between, an outer language', () => {
  const document = read(`<?xml version="1.0" encoding="UTF-8"?>
    <impp:presence xmlns:impp="urn:ietf:params:xml:ns:pidf" xmlns:local="urn:example-com:pidf-status-type"
        entity="pres:someone@example.com" xml:lang="fr">
      <!-- a comment -->
      <impp:tuple id="sg89ae">
        <impp:status>
          <impp:basic> open </impp:basic>
          <local:location>home</local:location>
        </impp:status>
        <impp:contact priority="0.8">tel:+09012345678</impp:contact>
        <impp:note xml:lang="en">Don't Disturb Please!</impp:note>
        <impp:note>Ne derangez pas, s'il vous plait</impp:note>
        <impp:timestamp>2001-10-27T16:49:29Z</impp:timestamp>
      </impp:tuple>
      <impp:note xml:lang="de">Ich bin dran</impp:note>
    </impp:presence>`)
  expect(document).toEqual({
    entity: 'pres:someone@example.com',
    tuples: [
      {
        id: 'sg89ae',
        basic: 'open',
        show: undefined,
        contact: 'tel:+09012345678',
        contactPriority: 0.8,
        notes: [
          { lang: 'en', text: "Don't Disturb Please!" },
          { lang: 'fr', text: "Ne derangez pas, s'il vous plait" },
        ],
        timestamp: '2001-10-27T16:49:29Z',
        activities: [],
        idle: false,
      },
    ],
    person: undefined,
    notes: [{ lang: 'de', text: 'Ich bin dran' }],
  })
})

const presence = (inner: string): string =>
  `<presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' xmlns:r='urn:ietf:params:xml:ns:pidf:rpid' xmlns:c='urn:example:c' entity='pres:a@example.com'>${inner}</presence>`
const first = (inner: string, nowMs?: number): PidfTuple | undefined =>
  read(presence(`<tuple id='t'>${inner}</tuple>`), nowMs).tuples[0]
const person = (inner: string, nowMs?: number): Pidf['person'] =>
  read(presence(`<dm:person id='p'>${inner}</dm:person>`), nowMs).person

test('RFC 4480 §3.2: activities of the person, their notes', () => {
  expect(
    person(
      '<r:activities><r:note>Lunch with Bob</r:note><r:lunch/><r:On-The-Phone/></r:activities><dm:note>Out</dm:note>',
    ),
  ).toEqual({
    activities: ['lunch', 'on-the-phone'],
    notes: [
      { lang: undefined, text: 'Out' },
      { lang: undefined, text: 'Lunch with Bob' },
    ],
    idle: false,
  })
})

test.each([
  ['no time is given', undefined, ['meeting', 'away']],
  ['before', Date.UTC(2026, 0, 1, 9), ['away']],
  ['within', Date.UTC(2026, 0, 1, 10, 30), ['meeting', 'away']],
  ['at its end', Date.UTC(2026, 0, 1, 11), ['away']],
])('RFC 4480 §3.1: an activity limited in time, when %s', (_when, nowMs, activities) => {
  const limited =
    "<r:activities from='2026-01-01T10:00:00Z' until='2026-01-01T12:00:00+01:00'><r:meeting/></r:activities>"
  expect(person(`${limited}<r:activities><r:away/></r:activities>`, nowMs)?.activities).toEqual(activities)
})

test.each([
  [
    'RFC 4480 §3.14, of the person',
    person("<r:user-input idle-threshold='600' last-input='2026-01-01T09:00:00Z'>idle</r:user-input>")?.idle,
    true,
  ],
  ['RFC 4480 §3.14, of the tuple', first('<status/><r:user-input>idle</r:user-input>')?.idle, true],
  ['RFC 4480 §3.14, active', first('<status/><r:user-input>active</r:user-input>')?.idle, false],
  [
    'COMPAT, a draft’s namespace',
    first(
      "<status><basic>open</basic><x:activities xmlns:x='urn:ietf:params:xml:ns:pidf:status:rpid'><x:busy/></x:activities></status>",
    )?.activities,
    ['busy'],
  ],
  [
    'RFC 4480 §3.9, someone else',
    first('<status/><r:relationship><r:assistant/></r:relationship>')?.relationship,
    'assistant',
  ],
  ['RFC 4480 §3.9, oneself', first('<status/><r:relationship><r:self/></r:relationship>')?.relationship, undefined],
  ['RFC 8048 §4.2, show', first("<status><show xmlns='jabber:client'>dnd</show></status>")?.show, 'dnd'],
  ['a show that is none', first("<status><show xmlns='jabber:client'>bored</show></status>")?.show, undefined],
  ['an extended status', first('<status><c:extended>Busy</c:extended></status>')?.extended, 'busy'],
  ['a basic that is none', first('<status><basic>ajar</basic></status>')?.basic, undefined],
  ['a priority above 1', first("<contact priority='1.5'>sip:a@example.com</contact>")?.contactPriority, undefined],
  ['a priority of 1.000', first("<contact priority='1.000'>sip:a@example.com</contact>")?.contactPriority, 1],
  ['an empty contact', first('<contact> </contact>')?.contact, undefined],
  ['a tuple without id', read(presence('<tuple/>')).tuples[0]?.id, 'tuple-1'],
  ['no tuples: unknown', read(presence('')).tuples, []],
])('%s', (_what, found, expected) => expect(found).toEqual(expected))

test.each([
  ['nothing', ''],
  ['no XML', 'open'],
  ['an open element', '<presence xmlns="urn:ietf:params:xml:ns:pidf">'],
  ['another root', '<presence xmlns="jabber:client"/>'],
  ['a document type', '<!DOCTYPE presence [<!ENTITY a "b">]><presence xmlns="urn:ietf:params:xml:ns:pidf"/>'],
  ['bytes that are no UTF-8', Uint8Array.of(0x3c, 0xff, 0x3e)],
])('%s is refused', (_what, body) => expect(parsePidf(body)).toMatchObject({ ok: false, failure: { kind: 'pidf' } }))
