/** Looks again and again; in the error stands what it has waited for. */
export async function until(isTrue: () => boolean, withinMs = 10_000): Promise<void> {
  const deadlineMs = Date.now() + withinMs
  while (!isTrue()) {
    if (Date.now() > deadlineMs) throw new Error(`not within ${withinMs} ms: ${String(isTrue)}`)
    await new Promise((resolve) => {
      setTimeout(resolve, 5)
    })
  }
}
