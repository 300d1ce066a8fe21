import { newSipRequest } from '@stox/sip'
import type { SipHeaderEntry, WatcherStatus } from '@stox/sip'
import { addr, incomingOf, modelFor, respondTo } from './stage.ts'
import { ROMEO, JULIET, NURSE, capulet, World, published, known } from './publish-world.ts'

describe('RFC 3857: who watches', () => {
  test('whoever has to do with a user of ours is asked for, as himself [3857-4.1.1 3857-4.6.1]', async () => {
    const at = await known()
    expect(at.asked()).toEqual([
      'SUBSCRIBE sip:nurse@capulet.example presence 3600',
      'SUBSCRIBE sip:romeo@montague.example presence.winfo 3600',
    ])
  })

  test('nobody is asked for where we are the notifier', async () => {
    const at = new World()
    at.model = modelFor('federated', capulet({}))
    await at.start()
    await at.xmpp(NURSE, "type='subscribe'")
    expect(at.asked()).toEqual(['SUBSCRIBE sip:nurse@capulet.example presence 3600'])
  })

  test.each<[WatcherStatus, readonly string[]]>([
    ['pending', [`subscribe ${JULIET} > ${ROMEO}`]],
    ['active', [`subscribe ${JULIET} > ${ROMEO}`]],
    ['waiting', [`subscribe ${JULIET} > ${ROMEO}`]],
    ['terminated', []],
  ])('a watcher who is %s', async (status, heard) => {
    const at = await known()
    at.heard()
    expect(await at.told([[JULIET, status]])).toBe(200)
    expect(at.heard()).toEqual(heard)
  })

  test('he is asked once for each, however often his watchers are told', async () => {
    const at = await known()
    await at.told([[JULIET, 'pending']])
    at.heard()
    await at.told([[JULIET, 'pending']], { version: 1, state: 'partial' })
    await at.told([[JULIET, 'active']], { version: 2 })
    expect(at.heard()).toEqual([])
  })

  test('he says no: he is not asked again as long as the same subscription is told', async () => {
    const at = await known()
    await at.told([[JULIET, 'pending']])
    await at.xmpp(JULIET, "type='unsubscribed'")
    at.heard()
    await at.later(2 * 3_600_000)
    await at.told([[JULIET, 'pending']], { version: 1 })
    expect(at.heard().filter((one) => one.startsWith('subscribe '))).toEqual([])
  })

  test('he says no, and is asked again by whoever comes back after an hour, not before', async () => {
    const at = await known()
    const comesBack = async (version: number): Promise<readonly string[]> => {
      at.heard()
      await at.told([[JULIET, 'terminated']], { version, state: 'partial' })
      await at.told([[JULIET, 'pending']], { version: version + 1, state: 'partial' })
      return at.heard().filter((one) => one.startsWith('subscribe '))
    }
    await at.told([[JULIET, 'pending']])
    await at.xmpp(JULIET, "type='unsubscribed'")
    expect(await comesBack(1)).toEqual([])
    await at.later(3_500_000)
    expect(await comesBack(3)).toEqual([])
    await at.later(100_000)
    expect(await comesBack(5)).toEqual([`subscribe ${JULIET} > ${ROMEO}`])
  })

  test('watchers of other domains are no matter of ours', async () => {
    const at = await known()
    at.heard()
    await at.told([
      ['benvolio@elsewhere.example', 'active'],
      ['tybalt@montague.example', 'active'],
    ])
    expect(at.heard()).toEqual([])
  })

  test('who has ended looks away; the authorization stays [8048-5.3.8]', async () => {
    const at = await published()
    await at.told([[JULIET, 'terminated']], { version: 1, state: 'partial' })
    expect(at.heard()).toEqual([`unavailable ${JULIET} > ${ROMEO}`])
    expect(at.owner.shows).toHaveLength(1)
  })

  test('a document was missed: the full list is asked for, at most once a minute [3858-4.3]', async () => {
    const at = await known()
    await at.told([[JULIET, 'pending']])
    at.asked()
    at.heard()
    await at.told([[NURSE, 'pending']], { version: 5, state: 'partial' })
    await at.told([[NURSE, 'pending']], { version: 7, state: 'partial' })
    expect(at.asked()).toEqual(['SUBSCRIBE sip:127.0.0.1:5060 presence.winfo 3600'])
    expect(at.heard()).toEqual([])
    await at.later(60_000)
    expect(at.asked()).toEqual(['SUBSCRIBE sip:127.0.0.1:5060 presence.winfo 3600'])
  })

  test.each([
    ['another type [3857-4.5.1]', { type: 'application/pidf+xml' }, 415],
    ['what is no document', { body: '<watcherinfo/>' }, 400],
  ])('%s is refused, and changes nothing', async (_row, told, status) => {
    const at = await known()
    at.heard()
    expect([await at.told([], told), at.heard()]).toEqual([status, []])
  })

  test('a NOTIFY of a dialog that is over is left to others', async () => {
    const at = await known()
    await at.told([[JULIET, 'pending']])
    const { subscribed } = at
    at.owner.moods = (request) =>
      request.method === 'SUBSCRIBE' && request.core.to.params.has('tag') ? respondTo(request, 481) : undefined
    at.publisher.serverCameBack('capulet.example')
    await at.later(1000)
    expect(at.subscribed).not.toBe(subscribed)
    expect(await at.told([], { within: subscribed })).toBeUndefined()
  })

  test('a NOTIFY of another dialog is left to others', async () => {
    const at = await known()
    at.stop()
    const { incoming } = incomingOf(
      newSipRequest({
        method: 'NOTIFY',
        uri: 'sip:romeo@127.0.0.1:5098',
        from: addr('<sip:a@b.example>', 'x'),
        to: addr('<sip:a@b.example>', 'y'),
        callId: 'other',
        cseq: 1,
        headers: [],
      }),
    )
    expect(at.publisher.takeNotify(incoming)).toBe(false)
  })

  test('489: the server does not tell; it is asked again an hour later, and he is published all the same', async () => {
    const at = new World()
    at.owner.moods = (request) =>
      request.headers.get('Event') === 'presence.winfo' ? respondTo(request, 489) : undefined
    await at.start()
    await at.xmpp(NURSE, "type='subscribe'")
    at.asked()
    await at.later(3_600_000)
    expect(at.asked()).toContain('SUBSCRIBE sip:romeo@montague.example presence.winfo 3600')
  })

  test('one look at us by SUBSCRIBE says who is wanted: he is asked, not probed', async () => {
    const at = await new World().start()
    const headers: SipHeaderEntry[] = [
      ['Event', 'presence'],
      ['Expires', '0'],
      ['Contact', '<sip:127.0.0.1:5060>'],
    ]
    const { incoming, responses } = incomingOf(
      newSipRequest({
        method: 'SUBSCRIBE',
        uri: `sip:${ROMEO}`,
        from: addr(`<sip:${JULIET}>`, 'j1'),
        to: addr(`<sip:${ROMEO}>`),
        callId: 'look',
        cseq: 1,
        headers,
      }),
    )
    at.keeper.takeSubscribe(incoming)
    await at.later(100)
    expect(responses.map(({ status }) => status)).toEqual([200])
    expect(at.heard()).toEqual([`subscribe ${JULIET} > ${ROMEO}`])
    expect(at.asked()).toEqual([
      'SUBSCRIBE sip:romeo@montague.example presence.winfo 3600',
      'NOTIFY sip:127.0.0.1:5060 presence',
    ])
  })
})
