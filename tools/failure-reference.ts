import { FAILURE_REASONS, FAILURE_STAGES } from '@stox/xmpp-engine'

const HEAD = `# Why streams fail

Generated from the code that says it (\`pnpm run docs\`); do not edit.

Every stream with a partner that cannot be had, or ends badly, leaves one record for its partner, direction and reason:
\`GET /v1/sessions?state=failed\` shows when it was seen first and last and how often (\`times\`), at what stage, why
(\`reason\`), what to do (\`advice\`), the technical detail, and the remote address and port. The log has one line at
once and then at most one every five minutes, with the count; \`stox_stream_failures_total\` counts each by stage and
reason (its label \`reason\` is \`cause\` in the API). What strangers cause is kept apart and drives out nothing about a
partner. A connection that was only made to have a dialback key verified leaves nothing when it simply goes; where
a verification fails, it is told as the failure of the stream that it was for.

In the sentences below \`capulet.example\` is served here and \`montague.example\` is the partner. Of a certificate the
record says exactly what is wrong with it. \`queue-full\`, \`too-big\` and \`expired\` end a stanza and no stream: its sender is
told, and the journal of messages has them.
`

/** `docs/failures.md`, whole. */
export function failuresPage(): string {
  const parts = FAILURE_STAGES.map((stage) => {
    const rows = Object.entries(FAILURE_REASONS)
      .filter(([, row]) => row.stage === stage)
      .map(([reason, { sentence, advice }]) => {
        const [theirs, ours] = ['montague.example', 'capulet.example'] as const
        return `| \`${reason}\` | ${sentence(theirs, ours)} | ${advice(theirs, ours)} |`
      })
    return [`## ${stage}`, '', '| reason | sentence | what to do |', '| --- | --- | --- |', ...rows, ''].join('\n')
  })
  return [HEAD, ...parts].join('\n')
}
