import { matrixRowOf } from '../src/negotiation-matrix.ts'
import { checkModel } from '../src/verification.ts'
import { modelOf } from './models.ts'

type File = Parameters<typeof modelOf>[0]
const found = (file: File): readonly string[] => {
  const checked = checkModel(modelOf(file))
  return checked.ok ? [] : checked.failure.map(({ path, problem }) => `${path}: ${problem}`)
}
const local = { domain: 'capulet.example', route: 'sip:127.0.0.1' }

test.each<[string, File, string[]]>([
  ['nothing at all', {}, []],
  ['one of each', { localDomains: [local], partners: [{ domain: 'a.example', additionalDomains: ['b.example'] }] }, []],
  [
    'mapping J.34: a domain on both sides',
    { localDomains: [local], partners: [{ domain: 'capulet.example' }] },
    ['partners[0].domain: capulet.example is already a local domain'],
  ],
  [
    'a local domain among the additional ones, in another spelling',
    {
      localDomains: [{ ...local, domain: 'bücher.example' }],
      partners: [{ domain: 'a.example', additionalDomains: ['XN--BCHER-KVA.example'] }],
    },
    ['partners[0].additionalDomains[0]: bücher.example is already a local domain'],
  ],
  [
    'a local domain twice',
    { localDomains: [local, local] },
    ['localDomains[1].domain: capulet.example is already a local domain'],
  ],
  [
    'a partner twice',
    { partners: [{ domain: 'a.example' }, { domain: 'A.example' }] },
    ['partners[1].domain: a.example is already the partner a.example'],
  ],
  [
    'an additional domain that is a partner of its own',
    { partners: [{ domain: 'a.example', additionalDomains: ['b.example'] }, { domain: 'b.example' }] },
    ['partners[0].additionalDomains[0]: b.example is already the partner b.example'],
  ],
  [
    'an additional domain listed twice, and by two partners',
    {
      partners: [
        { domain: 'a.example', additionalDomains: ['c.example', 'c.example'] },
        { domain: 'b.example', additionalDomains: ['c.example'] },
      ],
    },
    [
      'partners[0].additionalDomains[1]: c.example is already a domain of the partner a.example',
      'partners[1].additionalDomains[0]: c.example is already a domain of the partner a.example',
    ],
  ],
  [
    'row 6',
    { partners: [{ domain: 'a.example', tlsNegotiation: 'notSupported', dialback: false }] },
    ['partners[0].saslNegotiation: a.example: SASL is impossible without TLS, and dialback is off'],
  ],
  [
    'row 12',
    {
      partners: [{ domain: 'a.example', tlsNegotiation: 'notSupported', saslNegotiation: 'optional', dialback: false }],
    },
    ['partners[0].saslNegotiation: a.example: SASL needs TLS: while TLS is not required, negotiation may fail'],
  ],
  [
    'rows 14, 16 and 18, all at once',
    {
      partners: (['required', 'optional', 'notSupported'] as const).map((tlsNegotiation) => ({
        domain: `${tlsNegotiation}.example`,
        tlsNegotiation,
        saslNegotiation: 'notSupported' as const,
        dialback: false,
      })),
    },
    [
      'partners[0].saslNegotiation: required.example: SASL or dialback must be enabled',
      'partners[1].saslNegotiation: optional.example: SASL or dialback must be enabled',
      'partners[2].saslNegotiation: notsupported.example: SASL or dialback must be enabled',
    ],
  ],
])('%s', (_what, file, expected) => expect(found(file)).toEqual(expected))

test('every problem has a hint', () => {
  const checked = checkModel(
    modelOf({
      localDomains: [local],
      partners: [{ domain: 'capulet.example', saslNegotiation: 'notSupported', dialback: false }],
    }),
  )
  expect(checked.ok ? [] : checked.failure.map(({ hint }) => hint.length > 10)).toEqual([true, true])
})

test('a warning is no problem', () => {
  const model = modelOf({ partners: [{ domain: 'a.example' }] })
  expect(model.partners.map((partner) => matrixRowOf(partner).warning)).toEqual([expect.any(String)])
  expect(checkModel(model).ok).toBe(true)
})
