import type { SipTarget } from '@stox/transport'
import { SipAgent } from '../src/sip-agent.ts'

const agents: SipAgent[] = []
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.close()
})

/** Two that are each other's proxy. */
async function pair(transport: 'udp' | 'tcp'): Promise<readonly [SipAgent, SipAgent]> {
  const target = (port: number): SipTarget => ({ transport, host: '127.0.0.1', port })
  const start = async (user: string, port: number, other: number): Promise<SipAgent> => {
    const agent = await SipAgent.start({
      aor: `sip:${user}@sip.example`,
      listen: [`udp:127.0.0.1:${port}`, `tcp:127.0.0.1:${port}`],
      outboundProxy: target(other),
    })
    agents.push(agent)
    return agent
  }
  return [await start('romeo', 21_310, 21_311), await start('juliet', 21_311, 21_310)]
}

describe.each(['udp', 'tcp'] as const)('two agents by %s', (transport) => {
  test('a message, and a scripted answer', async () => {
    const [romeo, juliet] = await pair(transport)
    juliet.onMessage(({ body }) => (body === 'no' ? { status: 404, reason: 'Not here' } : 202))
    expect(await romeo.message('sip:juliet@sip.example', 'Ärger & <3 👋')).toMatchObject({ response: { status: 202 } })
    expect(await romeo.message('sip:juliet@sip.example', 'no')).toMatchObject({
      response: { status: 404, reason: 'Not here' },
    })
    expect(await juliet.received.next()).toMatchObject({ from: 'sip:romeo@sip.example', body: 'Ärger & <3 👋' })
  })

  test('pending, approved, changed, ended', async () => {
    const [romeo, juliet] = await pair(transport)
    juliet.serve('pending')
    const watch = romeo.subscribe('sip:juliet@sip.example')
    expect(await watch.states.next()).toMatchObject({ subscription: 'pending', pidf: undefined })
    juliet.serve('active')
    expect(await watch.states.next()).toMatchObject({ subscription: 'active', pidf: undefined })
    juliet.show({ basic: 'open', show: 'away', note: 'Gone to the balcony' })
    expect(await watch.states.next()).toMatchObject({ basic: 'open', show: 'away', note: 'Gone to the balcony' })
    juliet.show({ basic: 'open', activities: ['busy'] })
    expect(await watch.states.next()).toMatchObject({ basic: 'open', show: 'busy' })
    await watch.unsubscribe()
    expect(await watch.states.next()).toMatchObject({ subscription: 'terminated', reason: 'timeout', basic: 'closed' })
    expect([watch.state, juliet.watchers]).toEqual(['ended', 0])
  })

  test('refused', async () => {
    const [romeo, juliet] = await pair(transport)
    juliet.serve(603)
    const watch = romeo.subscribe('sip:juliet@sip.example')
    expect(await watch.reports.next()).toMatchObject({ kind: 'cancelled', cause: { status: 603 } })
    juliet.serve('active')
    const second = romeo.subscribe('sip:juliet@sip.example')
    await second.states.next()
    juliet.serve(403)
    expect(await second.states.next()).toMatchObject({ subscription: 'terminated', reason: 'rejected' })
    expect(await second.reports.next(({ kind }) => kind === 'cancelled')).toMatchObject({
      cause: { reason: 'rejected' },
    })
  })

  test('a poll', async () => {
    const [romeo, juliet] = await pair(transport)
    juliet.serve('active')
    juliet.show({ basic: 'open' })
    const poll = romeo.subscribe('sip:juliet@sip.example', { expiresS: 0 })
    expect(await poll.states.next()).toMatchObject({ subscription: 'terminated', reason: 'timeout', basic: 'open' })
    await poll.unsubscribe()
    expect(juliet.watchers).toBe(0)
  })
})
