import * as fc from 'fast-check'
import { formatIsComposing, parseIsComposing } from '../../src/index.ts'
import type { IsComposing } from '../../src/index.ts'

const NS = "xmlns='urn:ietf:params:xml:ns:im-iscomposing'"

test('RFC 3994 §4, the first example', () => {
  const document = `<?xml version="1.0" encoding="UTF-8"?>
    <isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"
        xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
        xsi:schemaLocation="urn:ietf:params:xml:ns:im-composing iscomposing.xsd">
      <state>active</state>
      <contenttype>text/plain</contenttype>
      <refresh>90</refresh>
    </isComposing>`
  expect(parseIsComposing(document)).toEqual({
    ok: true,
    value: { state: 'active', contentType: 'text/plain', refreshS: 90 },
  })
})

test('RFC 3994 §4, the second example', () => {
  const document = `<?xml version="1.0" encoding="UTF-8"?>
    <isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing">
      <state>idle</state>
      <lastactive>2003-01-27T10:43:00Z</lastactive>
      <contenttype>audio</contenttype>
    </isComposing>`
  expect(parseIsComposing(document)).toEqual({
    ok: true,
    value: { state: 'idle', lastActive: '2003-01-27T10:43:00Z', contentType: 'audio' },
  })
})

test.each<[string, string, IsComposing]>([
  ['§3.5 unknown state is idle', `<isComposing ${NS}><state>thinking</state></isComposing>`, { state: 'idle' }],
  ['§5 spaces', `<isComposing ${NS}><state> active\n</state></isComposing>`, { state: 'active' }],
  ['§5 case counts', `<isComposing ${NS}><state>Active</state></isComposing>`, { state: 'idle' }],
  [
    '§5 other namespaces between',
    `<isComposing ${NS}><x xmlns='urn:x'/><state>active</state><state xmlns='urn:x'>idle</state></isComposing>`,
    { state: 'active' },
  ],
  [
    '§5 prefixes',
    `<c:isComposing xmlns:c='urn:ietf:params:xml:ns:im-iscomposing'><c:state>active</c:state></c:isComposing>`,
    { state: 'active' },
  ],
  ...['0', '-1', '1.5', 'soon', '', '99999999999'].map((refresh): [string, string, IsComposing] => [
    `§5 refresh ${refresh || 'empty'} is none`,
    `<isComposing ${NS}><state>active</state><refresh>${refresh}</refresh></isComposing>`,
    { state: 'active' },
  ]),
])('RFC 3994 %s', (_clause, document, value) => {
  expect(parseIsComposing(document)).toEqual({ ok: true, value })
})

test.each([
  ['no state', `<isComposing ${NS}/>`],
  ['an empty state', `<isComposing ${NS}><state/></isComposing>`],
  ['another root', `<composing ${NS}><state>active</state></composing>`],
  ['another namespace', `<isComposing xmlns='urn:x'><state>active</state></isComposing>`],
  ['no XML', 'active'],
  ['nothing', ''],
])('RFC 3994 §5 refused: %s', (_name, document) => {
  expect(parseIsComposing(document)).toMatchObject({ ok: false, failure: { kind: 'is-composing' } })
})

test('RFC 3994 §5: the order of elements', () => {
  const full = { state: 'active', refreshS: 60, contentType: 'text/plain', lastActive: '2026-01-01T00:00:00Z' } as const
  expect(formatIsComposing(full).split('\n')).toEqual([
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<isComposing ${NS}><state>active</state><lastactive>2026-01-01T00:00:00Z</lastactive>` +
      '<contenttype>text/plain</contenttype><refresh>60</refresh></isComposing>',
  ])
})

test.each([0, -1, 1.5, Number.NaN, 2 ** 31])('a refresh of %p is our own mistake', (refreshS) => {
  expect(() => formatIsComposing({ state: 'active', refreshS })).toThrow(RangeError)
})

test('what is written is read again', () => {
  const made = fc.record(
    {
      state: fc.constantFrom('active' as const, 'idle' as const),
      lastActive: fc.constant('2026-01-01T00:00:00Z'),
      contentType: fc.constantFrom('text/plain', 'a&<b'),
      refreshS: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    },
    { requiredKeys: ['state'] },
  )
  fc.assert(
    fc.property(made, (value) => expect(parseIsComposing(formatIsComposing(value))).toEqual({ ok: true, value })),
    { seed: 3994, numRuns: 100 },
  )
})
