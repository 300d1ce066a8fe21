import { bounceWith, respondTo, settle } from './stage.ts'
import {
  ROMEO,
  JULIET,
  keeperOn,
  world,
  xmpp,
  heard,
  asked,
  inShort,
  Notifier,
  notify,
  pidf,
  open,
  closed,
  wait,
  romeoWatches,
  sipSubscribe,
  julietWatches,
} from './presence-world.ts'
import type { World } from './presence-world.ts'

describe('an XMPP user watches a SIP user', () => {
  test('D.2: pending, approved, available, away with a status, busy, offline, removed [8048-4.1.1 8048-5.2.1 8048-5.2.3 8048-5.2.7 8048-5.2.8 8048-6.3 8048-6.4 8048-4.3.from 8048-4.3.to]', async () => {
    const at = world()
    expect(await xmpp(at, "type='subscribe' id='s1'")).toEqual({ kind: 'absorbed', reason: 'presence-kept' })
    const [subscribe] = asked(at)
    if (subscribe === undefined) throw new Error('no SUBSCRIBE')
    expect(inShort(subscribe)).toBe(`SUBSCRIBE sip:${JULIET} 3600`)
    expect(subscribe.headers.get('Event')).toBe('presence')
    expect(subscribe.headers.get('Accept')).toBe('application/pidf+xml')
    expect(subscribe.headers.get('Contact')).toBe('<sip:romeo@127.0.0.1:5098;transport=udp>')
    expect(heard(at)).toEqual([])

    const notifier = new Notifier(subscribe)
    expect(await notify(at, notifier.notify('pending;expires=3600'))).toBe(200)
    expect(heard(at)).toEqual([])

    expect(await notify(at, notifier.notify('active;expires=3600', pidf(open('desk'))))).toBe(200)
    expect(heard(at)).toEqual([`subscribed ${JULIET} > ${ROMEO}`, `available ${JULIET}/desk > ${ROMEO}`])

    await notify(at, notifier.notify('active;expires=3600', pidf(open('desk', 'away', 'Gone to the balcony'))))
    expect(heard(at)).toEqual([`available ${JULIET}/desk > ${ROMEO} away "Gone to the balcony"`])

    await notify(at, notifier.notify('active;expires=3600', pidf(open('desk', 'dnd'))))
    expect(heard(at)).toEqual([`available ${JULIET}/desk > ${ROMEO} dnd`])

    // The same again is not told again.
    await notify(at, notifier.notify('active;expires=3600', pidf(open('desk', 'dnd'))))
    expect(heard(at)).toEqual([])

    await notify(at, notifier.notify('active;expires=3600', pidf(closed('desk'))))
    expect(heard(at)).toEqual([`unavailable ${JULIET}/desk > ${ROMEO}`])

    await xmpp(at, "type='unsubscribe' id='u1'")
    expect(heard(at)).toEqual([`unsubscribed ${JULIET} > ${ROMEO}`])
    const [end] = asked(at)
    expect(end === undefined ? '' : inShort(end)).toMatch(/^SUBSCRIBE .* 0$/)
    expect(await notify(at, notifier.notify('terminated;reason=timeout'))).toBe(200)
    expect(await at.stage.store.subscriptions.get(`xmpp-watches-sip|${ROMEO}|${JULIET}`)).toBeUndefined()
    expect(at.stage.time.armed).toBe(0)
  })

  test('D.2: a request that is sent again at each login asks nobody again', async () => {
    const at = world()
    await xmpp(at, "type='subscribe' id='s1'")
    expect(asked(at)).toHaveLength(1)
    await xmpp(at, "type='subscribe' id='s2'")
    expect(asked(at)).toHaveLength(0)
  })

  test('RFC 6121 §3.1.3: who is let in already hears it again, with presence', async () => {
    const at = world()
    await romeoWatches(at)
    heard(at)
    await xmpp(at, "type='subscribe' id='s2'")
    expect(heard(at)).toEqual([`subscribed ${JULIET} > ${ROMEO}`, `available ${JULIET}/desk > ${ROMEO}`])
    expect(asked(at)).toHaveLength(0)
  })

  test.each([403, 489, 603])('D.5: %d is for good [8048-5.2.6]', async (status) => {
    const at = world()
    at.stage.sip.answer = (request) => respondTo(request, status)
    await xmpp(at, "type='subscribe' id='s1'")
    expect(heard(at)).toEqual([`unsubscribed ${JULIET} > ${ROMEO}`])
    expect(await at.stage.store.subscriptions.get(`xmpp-watches-sip|${ROMEO}|${JULIET}`)).toBeUndefined()
  })

  test('D.4: rejected takes everything back', async () => {
    const at = world()
    const notifier = await romeoWatches(at)
    heard(at)
    await notify(at, notifier.notify('terminated;reason=rejected'))
    expect(heard(at)).toEqual([`unavailable ${JULIET}/desk > ${ROMEO}`, `unsubscribed ${JULIET} > ${ROMEO}`])
  })

  test('D.4: deactivated is another dialog and no news', async () => {
    const at = world()
    const notifier = await romeoWatches(at)
    heard(at)
    asked(at)
    await notify(at, notifier.notify('terminated;reason=deactivated'))
    await wait(at, 5000)
    const [again] = asked(at)
    expect(again === undefined ? '' : inShort(again)).toBe(`SUBSCRIBE sip:${JULIET} 3600`)
    expect(heard(at)).toEqual([])
    if (again === undefined) return
    await notify(at, new Notifier(again).notify('active;expires=3600', pidf(open('desk', 'away'))))
    expect(heard(at)).toEqual([`available ${JULIET}/desk > ${ROMEO} away`])
  })

  test('what is not heard any more is shown as unavailable after a minute', async () => {
    const at = world()
    const notifier = await romeoWatches(at)
    heard(at)
    await notify(at, notifier.notify('terminated;reason=probation;retry-after=3000'))
    await wait(at, 30_000)
    expect(heard(at)).toEqual([])
    await wait(at, 31_000)
    expect(heard(at)).toEqual([`unavailable ${JULIET}/desk > ${ROMEO}`])
  })

  test('Timer N: a new watcher hears that nothing answers, once, and his request stays', async () => {
    const at = world()
    await xmpp(at, "type='subscribe' id='s1'")
    await wait(at, 33_000)
    expect(heard(at)).toEqual([`error ${JULIET} > ${ROMEO} remote-server-timeout`])
    await wait(at, 200_000)
    expect(heard(at)).toEqual([])
    expect(asked(at).length).toBeGreaterThan(1)
  })

  test('a probe is answered to the one who asked, from what is known', async () => {
    const at = world()
    await romeoWatches(at)
    heard(at)
    asked(at)
    await xmpp(at, "type='probe' id='p1'", '', `${ROMEO}/orchard`)
    expect(heard(at)).toEqual([`available ${JULIET}/desk > ${ROMEO}/orchard`])
    expect(asked(at)).toHaveLength(0)
    // Older than a minute: asked for again.
    await wait(at, 61_000)
    await xmpp(at, "type='probe' id='p2'", '', `${ROMEO}/orchard`)
    expect(heard(at)).toEqual([`available ${JULIET}/desk > ${ROMEO}/orchard`])
    expect(asked(at).map(inShort)).toEqual([expect.stringMatching(/^SUBSCRIBE .* 3600$/)])
  })

  test('RFC 8048 §7.1: a probe without authorization is one look [8048-7.1]', async () => {
    const at = world()
    await xmpp(at, "type='probe' id='p1'", '', `${ROMEO}/orchard`)
    const [poll] = asked(at)
    if (poll === undefined) throw new Error('no SUBSCRIBE')
    expect(inShort(poll)).toBe(`SUBSCRIBE sip:${JULIET} 0`)
    await notify(at, new Notifier(poll).notify('terminated;reason=timeout', pidf(open('desk', 'away'))))
    expect(heard(at)).toEqual([`available ${JULIET}/desk > ${ROMEO}/orchard away`])
    expect(await at.stage.store.subscriptions.get(`xmpp-watches-sip|${ROMEO}|${JULIET}`)).toBeUndefined()
  })

  test('RFC 6121 §4.3.2: a probe that the SIP side refuses is unsubscribed', async () => {
    const at = world()
    at.stage.sip.answer = (request) => respondTo(request, 403)
    await xmpp(at, "type='probe' id='p1'", '', `${ROMEO}/orchard`)
    expect(heard(at)).toEqual([`unsubscribed ${JULIET} > ${ROMEO}`])
  })

  test('D.8: several devices', async () => {
    const at = world()
    const notifier = await romeoWatches(at)
    heard(at)
    await notify(at, notifier.notify('active', pidf(open('desk'), open('phone', 'dnd'))))
    expect(heard(at)).toEqual([`available ${JULIET}/phone > ${ROMEO} dnd`])
    await notify(at, notifier.notify('active', pidf(open('phone', 'dnd'))))
    expect(heard(at)).toEqual([`unavailable ${JULIET}/desk > ${ROMEO}`])
    await notify(at, notifier.notify('active', pidf(closed('phone'))))
    expect(heard(at)).toEqual([`unavailable ${JULIET}/phone > ${ROMEO}`])
  })

  test('D.5: a NOTIFY that nobody waits for, and one that cannot be read [6665-4.1.3.1 8048-8.1]', async () => {
    const at = world()
    const notifier = await romeoWatches(at)
    heard(at)
    const stray = notifier.notify('active', pidf(open('desk')))
    expect(await notify(at, { ...stray, core: { ...stray.core, callId: 'other' } })).toBe(481)
    expect(await notify(at, notifier.notify('active', '<presence'))).toBe(400)
    expect(heard(at)).toEqual([])
  })

  test.each([
    ['federated', ['"in a meeting"']],
    ['publicVerified', []],
  ] as const)('lync 5: %s sees notes %p', async (partnerType, notes) => {
    const at = world(partnerType)
    await xmpp(at, "type='subscribe' id='s1'")
    const [subscribe] = asked(at)
    if (subscribe === undefined) throw new Error('no SUBSCRIBE')
    await notify(at, new Notifier(subscribe).notify('active', pidf(open('desk', '', 'in a meeting'))))
    expect(heard(at)[1]).toBe([`available ${JULIET}/desk > ${ROMEO}`, ...notes].join(' '))
  })

  test('lync 5: an unverified stranger is refused, and let in once the local user has added him', async () => {
    const at = world('publicUnverified')
    const outcome = await xmpp(at, "type='subscribe' id='s1'")
    expect(outcome).toMatchObject({ kind: 'bounced', failure: { condition: 'subscription-required' } })
    expect(asked(at)).toHaveLength(0)
    await sipSubscribe(at)
    asked(at)
    expect(await xmpp(at, "type='subscribe' id='s2'")).toMatchObject({ kind: 'absorbed' })
    expect(asked(at).map(inShort)).toEqual([`SUBSCRIBE sip:${JULIET} 3600`])
  })

  test('D.10: after kill -9 the dialog goes on, nobody is asked again, and presence is told again', async () => {
    const at = world()
    const notifier = await romeoWatches(at)
    heard(at)
    asked(at)
    await at.stage.store.subscriptions.flush()
    at.keeper.close()
    at.keeper = keeperOn(at.stage)
    await at.keeper.load()
    at.keeper.start()
    await wait(at, 3000)
    const refresh = asked(at)
    expect(refresh.map((one) => [one.method, one.core.callId])).toEqual([
      ['SUBSCRIBE', notifier.notify('active').core.callId],
    ])
    await notify(at, notifier.notify('active;expires=3600', pidf(open('desk', 'away'))))
    expect(heard(at)).toEqual([`available ${JULIET}/desk > ${ROMEO} away`])
  })

  test('D.10: after kill -9 and a server that has forgotten us, a new dialog with the old authorization', async () => {
    const at = world()
    await romeoWatches(at)
    heard(at)
    asked(at)
    at.keeper.close()
    at.keeper = keeperOn(at.stage)
    at.stage.sip.answer = (request) => respondTo(request, request.core.to.params.has('tag') ? 481 : 200)
    await at.keeper.load()
    at.keeper.start()
    await wait(at, 5000)
    const fresh = asked(at).find((request) => !request.core.to.params.has('tag'))
    if (fresh === undefined) throw new Error('no new SUBSCRIBE')
    await notify(at, new Notifier(fresh).notify('active;expires=3600', pidf(closed('desk'))))
    expect(heard(at)).toEqual([`unavailable ${JULIET}/desk > ${ROMEO}`])
  })

  test('D.10: a dialog that the notifier gives up after our return is found out within seconds', async () => {
    const at = world()
    const notifier = await romeoWatches(at)
    at.keeper.close()
    at.keeper = keeperOn(at.stage)
    await at.keeper.load()
    at.keeper.start()
    await wait(at, 3000)
    await notify(at, notifier.notify('active;expires=3600', pidf(open('desk'))))
    asked(at)
    at.stage.sip.answer = (request) => respondTo(request, request.core.to.params.has('tag') ? 481 : 200)
    await wait(at, 6000)
    expect(asked(at).map((request) => request.core.to.params.has('tag'))).toEqual([true, false])
  })

  test('D.10: when streams come back, what was shown is told again', async () => {
    const at = world()
    await romeoWatches(at)
    heard(at)
    at.keeper.edgeAttached()
    at.keeper.streamUp('montague.example')
    await wait(at, 2000)
    expect(heard(at)).toEqual([`available ${JULIET}/desk > ${ROMEO}`])
  })

  test('a subscribed that could not leave leaves later', async () => {
    const at = world()
    at.stage.link.outcome = bounceWith({})
    await romeoWatches(at)
    expect(heard(at)).toHaveLength(2)
    at.stage.link.outcome = { kind: 'delivered', status: 200 }
    await wait(at, 61_000)
    expect(heard(at)).toEqual([`subscribed ${JULIET} > ${ROMEO}`, `available ${JULIET}/desk > ${ROMEO}`])
  })

  test('a partner that may not be spoken to any more is not spoken to again', async () => {
    const at = world()
    at.stage.link.outcome = bounceWith({ condition: 'not-allowed', status: 403, retry: 'never' })
    await romeoWatches(at)
    heard(at)
    await wait(at, 600_000)
    expect(heard(at)).toEqual([])
  })

  test('a road that stays broken is tried less and less often', async () => {
    const at = world()
    at.stage.link.outcome = bounceWith({})
    await romeoWatches(at)
    heard(at)
    await wait(at, 3_300_000)
    expect(heard(at).length).toBeLessThan(16)
  })

  test('D.2: the watcher’s server says that he is no more', async () => {
    const at = world()
    await romeoWatches(at)
    heard(at)
    asked(at)
    await xmpp(
      at,
      "type='error' id='x2s-1'",
      "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
    )
    expect(heard(at)).toEqual([])
    expect(asked(at).map(inShort)).toEqual([expect.stringMatching(/ 0$/)])
  })

  test('a disk that is full is told, and ends nothing', async () => {
    const at = world()
    const put = jest.spyOn(at.stage.store.subscriptions, 'put').mockImplementation((() => {
      throw new Error('disk full')
    }) as never)
    expect(await xmpp(at, "type='subscribe' id='s1'")).toMatchObject({
      kind: 'bounced',
      failure: { condition: 'internal-server-error' },
    })
    put.mockRestore()
    // And it goes on.
    const [subscribe] = asked(at)
    if (subscribe === undefined) throw new Error('no SUBSCRIBE')
    await notify(at, new Notifier(subscribe).notify('active', pidf(open('desk'))))
    expect(heard(at)).toHaveLength(2)
    expect(await at.stage.store.subscriptions.get(`xmpp-watches-sip|${ROMEO}|${JULIET}`)).toMatchObject({
      authorization: 'active',
    })
  })

  test('what comes after the end is for the next process: nothing is sent or said', async () => {
    const at = world()
    let answer: (reply: ReturnType<typeof respondTo>) => void = () => {}
    at.stage.sip.answer = () => new Promise((resolve) => (answer = resolve))
    await xmpp(at, "type='subscribe' id='s1'")
    const [subscribe] = asked(at)
    if (subscribe === undefined) throw new Error('no SUBSCRIBE')
    at.keeper.close()
    answer(respondTo(subscribe, 403))
    await wait(at, 60_000)
    await notify(at, new Notifier(subscribe).notify('active', pidf(open('desk'))))
    expect([heard(at), asked(at)]).toEqual([[], []])
  })

  test('an administrator removes it', async () => {
    const at = world()
    await romeoWatches(at)
    heard(at)
    asked(at)
    expect(await at.keeper.remove(`xmpp-watches-sip|${ROMEO}|${JULIET}`)).toBe(true)
    await settle()
    expect(heard(at)).toEqual([`unavailable ${JULIET}/desk > ${ROMEO}`, `unsubscribed ${JULIET} > ${ROMEO}`])
    expect(asked(at).map(inShort)).toEqual([expect.stringMatching(/ 0$/)])
    expect(await at.keeper.remove('nothing')).toBe(false)
  })
})

describe('D.2: the watcher is watched in return', () => {
  /** Both see each other, Romeo in the orchard. */
  async function bothWatch(at: World): Promise<Notifier> {
    const notifier = await romeoWatches(at)
    await julietWatches(at)
    heard(at)
    asked(at)
    return notifier
  }

  test('offline everywhere: his dialog ends, his authorization stays, and a probe brings it back [8048-5.2.5 8048-8.3]', async () => {
    const at = world()
    const notifier = await bothWatch(at)
    await xmpp(at, "type='unavailable'", '', `${ROMEO}/orchard`)
    expect(asked(at).map(inShort)).toContain('SUBSCRIBE sip:juliet@127.0.0.1:5060 0')
    expect(await notify(at, notifier.notify('terminated;reason=timeout', pidf(open('desk'))))).toBe(200)
    expect(heard(at)).toEqual([])
    const kept = await at.stage.store.subscriptions.get(`xmpp-watches-sip|${ROMEO}|${JULIET}`)
    expect(kept).toMatchObject({ authorization: 'active', state: 'idle' })

    await wait(at, 6000)
    asked(at)
    await xmpp(at, "type='probe' id='p1'", '', `${ROMEO}/balcony`)
    const [again] = asked(at)
    if (again === undefined) throw new Error('no SUBSCRIBE')
    expect(inShort(again)).toBe(`SUBSCRIBE sip:${JULIET} 3600`)
    await notify(at, new Notifier(again).notify('active;expires=3600', pidf(open('desk', 'away'))))
    expect(heard(at)).toContain(`available ${JULIET}/desk > ${ROMEO} away`)
  })

  test('one of two resources leaves: nothing ends', async () => {
    const at = world()
    await bothWatch(at)
    await xmpp(at, '', '', `${ROMEO}/balcony`)
    await xmpp(at, "type='unavailable'", '', `${ROMEO}/orchard`)
    await wait(at, 6000)
    expect(asked(at).filter((request) => request.method === 'SUBSCRIBE')).toEqual([])
  })

  test('back before the end is confirmed, and without a probe: a new dialog, once', async () => {
    const at = world()
    await bothWatch(at)
    await xmpp(at, "type='unavailable'", '', `${ROMEO}/orchard`)
    asked(at)
    await xmpp(at, '', '', `${ROMEO}/orchard`)
    await xmpp(at, '', '<show>away</show>', `${ROMEO}/orchard`)
    const fresh = asked(at).filter((request) => request.method === 'SUBSCRIBE')
    expect(fresh.map(inShort)).toEqual([`SUBSCRIBE sip:${JULIET} 3600`])
  })
})
