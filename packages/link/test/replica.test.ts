import { DEFAULT_SETTINGS } from '@stox/federation'
import { applyChange, changeBetween, parseReplica, sameReplica, type Replica } from '@stox/link'
import { partner, replicaOf } from './samples.ts'

const base = replicaOf(1, 'a.example', 'b.example')
const changed = (model: Partial<Replica['model']>, dialbackSecret = base.dialbackSecret): Replica => ({
  model: { ...base.model, revision: 2, ...model },
  dialbackSecret,
})

test.each<[string, Replica]>([
  ['nothing but the revision', changed({})],
  ['a partner more', changed({ partners: [...base.model.partners, partner('c.example')] })],
  ['a partner less', changed({ partners: base.model.partners.slice(1) })],
  ['a partner otherwise', changed({ partners: [partner('a.example', 'new'), partner('b.example')] })],
  ['the settings', changed({ settings: { ...DEFAULT_SETTINGS, federation: false } })],
  ['the local domains', changed({ localDomains: [] })],
  ['the secret', changed({}, 'another secret of length')],
])('a change, applied, gives the replica that it came from: %s', (_case, to) => {
  const applied = applyChange(base, changeBetween(base, to))
  expect(applied).toEqual({ ok: true, value: to })
})

test('a change carries what changed and nothing else', () => {
  const change = changeBetween(base, changed({ partners: [partner('a.example', 'new'), partner('b.example')] }))
  expect(change).toEqual({
    base: 1,
    revision: 2,
    partners: [partner('a.example', 'new')],
    removedPartners: [],
    settings: undefined,
    localDomains: undefined,
    dialbackSecret: undefined,
  })
})

test('a change from another revision is refused', () => {
  expect(applyChange(replicaOf(5), changeBetween(base, changed({})))).toEqual({
    ok: false,
    failure: 'the change starts at revision 1, held is 5',
  })
})

test.each<[string, unknown, string]>([
  ['not an object', 7, 'expected object'],
  ['no model', { dialbackSecret: 'long enough to be one' }, 'model'],
  ['a short secret', { ...base, dialbackSecret: 'short' }, 'dialbackSecret'],
  ['a revision below zero', { ...base, model: { ...base.model, revision: -1 } }, 'revision'],
  [
    'a partner without a method',
    {
      ...base,
      model: {
        ...base.model,
        partners: [{ ...partner('a.example'), saslNegotiation: 'notSupported', dialback: false }],
      },
    },
    'partners[0]',
  ],
  [
    'a partner that is a local domain',
    { ...base, model: { ...base.model, partners: [partner('sip.example')] } },
    'sip.example',
  ],
])('what a stranger wrote is checked: %s', (_case, value, problem) => {
  const parsed = parseReplica(value)
  expect(parsed).toMatchObject({ ok: false, failure: expect.stringContaining(problem) })
})

test('a gateway that knows no pins yet sends none, and those of one that does arrive', () => {
  const json = JSON.stringify(base)
  expect(json).toContain('"certificatePins":[]')
  expect(parseReplica(JSON.parse(json.replaceAll('"certificatePins":[],', '')))).toEqual({ ok: true, value: base })
  const pins = [`${'A'.repeat(43)}=`]
  const pinned = JSON.parse(
    json.replaceAll('"certificatePins":[]', `"certificatePins":${JSON.stringify(pins)}`),
  ) as unknown
  expect(parseReplica(pinned)).toMatchObject({
    value: { model: { partners: base.model.partners.map(() => ({ certificatePins: pins })) } },
  })
})

test('keys of a newer gateway are left out', () => {
  const newer = { ...base, model: { ...base.model, novelty: 1, settings: { ...base.model.settings, novelty: 2 } } }
  expect(parseReplica(JSON.parse(JSON.stringify(newer)))).toEqual({ ok: true, value: base })
})

test('the same is the same', () => {
  expect([sameReplica(base, replicaOf(1, 'a.example', 'b.example')), sameReplica(base, changed({}))]).toEqual([
    true,
    false,
  ])
})
