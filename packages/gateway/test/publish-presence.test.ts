import { localDomainSchema } from '@stox/federation'
import type { FederationModel } from '@stox/federation'
import { modelFor, respondTo, settle } from './stage.ts'
import { ROMEO, JULIET, NURSE, ROUTE, capulet, World, published, known } from './publish-world.ts'

describe('RFC 3903: what is published', () => {
  test('nothing before he has approved; then one publication', async () => {
    const at = await known()
    await at.told([[JULIET, 'active']])
    await at.shows('desk', '')
    expect(at.owner.shows).toEqual([])
    await at.xmpp(JULIET, "type='subscribed'")
    await at.shows('desk', '<show>away</show>', JULIET)
    expect(at.owner.shows).toEqual([`pres:${ROMEO} ID-desk:open:away`])
  })

  test('his devices are tuples of one document, and each change is one PUBLISH however many may see him', async () => {
    const at = await published()
    await at.told([[NURSE, 'active']], { version: 1, state: 'partial' })
    await at.xmpp(NURSE, "type='subscribed'")
    await at.later(6000)
    at.asked()
    await at.shows('phone', '<show>dnd</show>', JULIET, NURSE)
    await at.later(6000)
    expect(at.asked()).toHaveLength(1)
    expect(at.owner.shows).toEqual([`pres:${ROMEO} ID-desk:open ID-phone:open:dnd`])
  })

  test('offline: removed', async () => {
    const at = await published()
    await at.later(6000)
    at.asked()
    await at.xmpp(JULIET, "type='unavailable'", '', `${ROMEO}/desk`)
    await at.later(100)
    expect(at.asked()).toEqual(['PUBLISH sip:romeo@montague.example presence 0 e1'])
    expect(at.owner.shows).toEqual([])
  })

  test('he takes his approval back: removed', async () => {
    const at = await published()
    await at.xmpp(JULIET, "type='unsubscribed'")
    await at.later(6000)
    expect(at.owner.shows).toEqual([])
  })

  test.each([
    ['withhold', 'active', []],
    ['withhold', 'pending', [`pres:${ROMEO} ID-desk:open`]],
    ['show', 'active', [`pres:${ROMEO} ID-desk:open`]],
  ] as const)('unapproved: %s, and one whom he has not approved is %s', async (unapproved, status, shows) => {
    const at = await published({ unapproved })
    await at.told([[NURSE, status]], { version: 1, state: 'partial' })
    await at.later(6000)
    expect(at.owner.shows).toEqual(shows)
    expect([...at.publisher.rows()]).toMatchObject([
      { user: ROMEO, route: ROUTE, state: shows.length > 0 ? 'published' : 'withheld', watchers: [{}, { status }] },
    ])
    await at.xmpp(NURSE, "type='subscribed'")
    await at.later(6000)
    expect(at.owner.shows).toEqual([`pres:${ROMEO} ID-desk:open`])
  })

  test('two domains, each with its own way to the same server: his watchers there are those of both', async () => {
    const at = await published()
    const second = 'sip:127.0.0.1:5060;transport=tcp'
    const [first] = at.model.localDomains
    if (first === undefined) throw new Error('no domain')
    const verona = localDomainSchema.parse({ ...first, domain: 'verona.example', route: second })
    await at.change({ localDomains: [first, verona] })
    await at.told([['paris@verona.example', 'active']], { version: 1, state: 'partial' })
    expect(at.heard()).toEqual([`subscribe paris@verona.example > ${ROMEO}`])
    await at.later(6000)
    expect(at.owner.shows).toEqual([])
    await at.xmpp('paris@verona.example', "type='subscribed'")
    await at.shows('desk', '', JULIET, 'paris@verona.example')
    await at.later(6000)
    const shown = `pres:${ROMEO} ID-desk:open`
    expect(at.owner.shows).toEqual([shown, shown])
  })

  test('somebody from nowhere that we know watches: withheld', async () => {
    const at = await published()
    await at.told([['spy@127.0.0.1', 'active']], { version: 1, state: 'partial' })
    await at.later(6000)
    expect(at.owner.shows).toEqual([])
  })
})

describe('the end, and the beginning', () => {
  test.each<[string, Partial<FederationModel>]>([
    ['the partner is gone', { partners: [] }],
    ['we are the notifier again', capulet({ mode: 'notifier' })],
    ['the domain is not served any more', { localDomains: [] }],
  ])('%s: removed, and nothing is left', async (_row, model) => {
    const at = await published()
    await at.change(model)
    expect(at.owner.shows).toEqual([])
    expect([...at.publisher.counts()]).toEqual([{ state: 'leaving', count: 1 }])
    // The subscription to his watchers ends with its last NOTIFY, or without.
    await at.later(40_000)
    expect([...at.publisher.counts()]).toEqual([])
    expect(await at.stage.store.publications.all()).toEqual([])
  })

  test('another server: removed there, published here', async () => {
    const at = await published()
    at.stage.sip.take()
    await at.change(capulet({ mode: 'publish' }, 'sip:127.0.0.2:5060;transport=udp'))
    expect(
      at.stage.sip.sent
        .filter(({ request }) => request.method === 'PUBLISH')
        .map(({ request, towards }) => [request.headers.get('Expires'), towards]),
    ).toEqual([
      ['0', ROUTE],
      ['3600', 'sip:127.0.0.2:5060;transport=udp'],
    ])
  })

  test('his server was started anew and has forgotten him: it is told again at once', async () => {
    const at = await published()
    at.owner.publications.clear()
    at.owner.moods = (request) =>
      request.method === 'SUBSCRIBE' && request.core.to.params.has('tag') ? respondTo(request, 481) : undefined
    at.asked()
    at.publisher.serverCameBack('montague.example')
    await at.later(100)
    expect(at.asked()).toEqual([])
    at.publisher.serverCameBack('capulet.example')
    await at.later(100)
    expect(at.asked()).toEqual([
      'PUBLISH sip:romeo@montague.example presence 3600 e1',
      'SUBSCRIBE sip:127.0.0.1:5060 presence.winfo 3600',
      'PUBLISH sip:romeo@montague.example presence 3600',
      'SUBSCRIBE sip:romeo@montague.example presence.winfo 3600',
    ])
    expect(at.owner.shows).toEqual([`pres:${ROMEO} ID-desk:open`])
  })

  test('kill -9: the next process goes on with the etag, and nobody is asked again', async () => {
    const at = await published()
    at.stop()
    at.asked()
    await at.start()
    await at.later(500)
    await at.shows('desk', '<show>away</show>', JULIET)
    await at.later(10_000)
    expect(at.asked().filter((one) => one.startsWith('PUBLISH') && !/ e\d+$/.test(one))).toEqual([])
    expect(at.owner.shows).toEqual([`pres:${ROMEO} ID-desk:open:away`])
    expect(at.heard().filter((one) => one.startsWith('subscribe '))).toEqual([])
  })

  test('an etag is on the disk before anything follows from it', async () => {
    const at = new World()
    const kept: (string | null)[] = []
    const { publications } = at.stage.store
    const put = publications.put.bind(publications) as (...args: unknown[]) => Promise<void>
    publications.put = ((record: { data: string }, options?: { durable: true }) => {
      const { publication } = JSON.parse(record.data) as { publication: { etag: string | null } }
      if (options?.durable === true) kept.push(publication.etag)
      return put(record, options)
    }) as typeof publications.put
    await at.start()
    await at.xmpp(NURSE, "type='subscribe'")
    await at.told([[JULIET, 'active']])
    await at.xmpp(JULIET, "type='subscribed'")
    await at.shows('desk', '', JULIET)
    await at.later(6000)
    await at.shows('desk', '<show>away</show>', JULIET)
    expect(kept).toEqual(['e1', 'e2'])
  })

  test('kill -9, and both he and the publication are gone meanwhile: what is not known is not published', async () => {
    const at = await published()
    at.stop()
    await at.later(6000)
    at.owner.publications.clear()
    at.asked()
    await at.start()
    for (let step = 0; step < 50; step += 1) await at.later(200)
    expect(at.asked().filter((one) => one.startsWith('PUBLISH'))).toEqual([
      'PUBLISH sip:romeo@montague.example presence 3600 e1',
    ])
  })

  test('kill -9, and he is gone meanwhile: removed once he has not answered', async () => {
    const at = await published()
    at.stop()
    await at.start()
    await at.later(500)
    await at.later(10_000)
    expect(at.owner.shows).toEqual([])
  })

  test('kill -9 and the mode is changed before the next start: removed', async () => {
    const at = await published()
    at.stop()
    at.model = modelFor('federated', capulet({}))
    await at.start()
    await at.later(10_000)
    expect(at.owner.shows).toEqual([])
  })

  test('asked to stop while a PUBLISH is under way: its answer is waited for, for its etag', async () => {
    const at = await published()
    await at.later(6000)
    const answers: (() => void)[] = []
    at.stage.sip.answer = (request) =>
      new Promise((resolve) => void answers.push(() => resolve(at.owner.answer(request))))
    await at.shows('desk', '<show>away</show>', JULIET)
    let closed = false
    const closing = at.publisher.close().then(() => (closed = true))
    await settle()
    expect(closed).toBe(false)
    for (const answer of answers) answer()
    await closing
    const [kept] = await at.stage.store.publications.all()
    expect(kept?.data).toContain('"etag":"e2"')
    expect([...at.owner.publications.keys()]).toEqual(['e2'])
  })

  test('or for two seconds', async () => {
    const at = await published()
    await at.later(6000)
    at.stage.sip.answer = () => new Promise(() => undefined)
    await at.shows('desk', '<show>away</show>', JULIET)
    let closed = false
    void at.publisher.close().then(() => (closed = true))
    await at.later(1900)
    expect(closed).toBe(false)
    await at.later(200)
    expect(closed).toBe(true)
  })

  test('many users at once are taken in at a pace', async () => {
    const at = new World()
    at.model = modelFor('federated', capulet({}))
    await at.start()
    for (let user = 0; user < 30; user += 1) await at.xmpp(NURSE, "type='subscribe'", '', `u${user}@montague.example`)
    at.asked()
    await at.change(capulet({ mode: 'publish' }))
    const soon = at.asked().length
    expect(soon).toBeGreaterThan(0)
    expect(soon).toBeLessThanOrEqual(10)
    await at.later(100)
    await at.later(100)
    await at.later(100)
    expect(at.asked().length + soon).toBe(30)
  })

  test('what nobody can read is left where it is', async () => {
    const at = new World()
    at.stage.store.publications.put({ id: 'x', data: '{', updatedAtMs: 0 })
    await at.start()
    expect([...at.publisher.counts()]).toEqual([])
  })
})
