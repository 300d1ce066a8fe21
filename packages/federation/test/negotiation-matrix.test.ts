import { NEGOTIATION_MATRIX, matrixRowOf, type MatrixRow, type Method } from '../src/negotiation-matrix.ts'
import { NEGOTIATIONS } from '../src/partner.ts'

const rows = NEGOTIATION_MATRIX.map((each): [number, MatrixRow] => [each.row, each])

test('18 rows, one for each combination', () => {
  expect(rows.map(([number]) => number)).toEqual(Array.from({ length: 18 }, (_, at) => at + 1))
  for (const tlsNegotiation of NEGOTIATIONS)
    for (const saslNegotiation of NEGOTIATIONS)
      for (const dialback of [true, false])
        expect(matrixRowOf({ tlsNegotiation, saslNegotiation, dialback })).toMatchObject({
          tls: tlsNegotiation,
          sasl: saslNegotiation,
          dialback,
        })
})

/** Three rules give the methods of all 18 rows: a second source for the table. */
function methodsByRule({ tls, sasl, dialback }: MatrixRow): Method[] {
  const methods: Method[] = []
  if (tls !== 'notSupported' && sasl !== 'notSupported') methods.push('sasl-external-over-tls')
  if (dialback && tls !== 'notSupported' && !(tls === 'required' && sasl === 'required'))
    methods.push('dialback-over-tls')
  if (dialback && tls !== 'required') methods.push('dialback-over-tcp')
  return methods
}

test.each(rows)('row %i: methods in order of preference, valid when one is left', (_number, each) => {
  expect(each.methods).toEqual(methodsByRule(each))
  expect(each.verdict).toBe(each.methods.length > 0 ? 'valid' : 'invalid')
})

test.each(rows)('row %i: says why it warns or is invalid', (number, each) => {
  const inert = each.tls === 'required' && each.sasl === 'required' && each.dialback
  const needsTls = each.sasl !== 'notSupported' && each.tls !== 'required' && number !== 6
  expect(each.warning !== undefined).toBe(inert || needsTls)
  expect(each.error !== undefined).toBe([6, 14, 16, 18].includes(number))
  expect(each.needsForce).toBe([5, 11].includes(number))
})

test.each([
  [
    'Google Talk',
    { tlsNegotiation: 'notSupported', saslNegotiation: 'notSupported', dialback: true },
    ['dialback-over-tcp'],
  ],
  [
    'the defaults',
    { tlsNegotiation: 'required', saslNegotiation: 'required', dialback: true },
    ['sasl-external-over-tls'],
  ],
  [
    'most servers',
    { tlsNegotiation: 'required', saslNegotiation: 'optional', dialback: true },
    ['sasl-external-over-tls', 'dialback-over-tls'],
  ],
] as const)('%s', (_what, partner, methods) => expect(matrixRowOf(partner).methods).toEqual(methods))
