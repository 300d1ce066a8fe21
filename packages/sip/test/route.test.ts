import { SipHeaders, parseRoutes, routeRequest } from '../src/index.ts'
import type { RouteEntry } from '../src/index.ts'

function routes(...values: readonly string[]): readonly RouteEntry[] {
  const parsed = parseRoutes(SipHeaders.of(values.map((value) => ['Record-Route', value])), 'Record-Route')
  if (!parsed.ok) throw new Error(parsed.failure.detail)
  return parsed.value
}

const P1 = '<sip:p1.example.com;lr;ms-key-info="x">'.replace('"x"', 'x')
const P2 = '"P 2" <sip:p2.example.com:5070;lr=on;did=6ac.1>;ms-route-sig="a,b=="'
const STRICT = '<sip:p3.example.com;method=INVITE?x=y>'
const TARGET = 'sip:romeo@192.0.2.7:5066;gr=orchard'

test('entries come in order, one field or several, and byte for byte', () => {
  expect(routes(`${P1} , ${P2}`, STRICT)).toEqual([
    { value: P1, uri: 'sip:p1.example.com;lr;ms-key-info=x', loose: true },
    { value: P2, uri: 'sip:p2.example.com:5070;lr=on;did=6ac.1', loose: true },
    { value: STRICT, uri: 'sip:p3.example.com;method=INVITE?x=y', loose: false },
  ])
})

test('no entries', () => expect(routes()).toEqual([]))

test.each([['<sip:p1.example.com'], ['<tel:+15551234567>'], ['nonsense']])('%s is refused', (value) => {
  expect(parseRoutes(SipHeaders.of([['Route', value]]), 'Route')).toMatchObject({ ok: false })
})

test.each([
  ['no route', [], { uri: TARGET, routes: [], nextHop: TARGET }],
  [
    'a loose router first',
    [P1, STRICT],
    { uri: TARGET, routes: [P1, STRICT], nextHop: 'sip:p1.example.com;lr;ms-key-info=x' },
  ],
  [
    'a strict router first',
    [STRICT, P2],
    { uri: 'sip:p3.example.com', routes: [P2, `<${TARGET}>`], nextHop: 'sip:p3.example.com' },
  ],
])('RFC 3261 §12.2.1.1: %s', (_what, values, routed) => {
  expect(routeRequest(routes(...values), TARGET)).toEqual(routed)
})
