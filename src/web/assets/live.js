// Keeps an open page up to date: the server says that something has changed, and the parts marked `data-live` are taken
// from the page as it is now. Without this script the page works all the same, as of when it was loaded.
'use strict'
;(() => {
  /** So that a busy chain does not keep the browser busy. */
  const restMs = 2000
  let known = null
  let wanted = false
  let isBusy = false

  const isInUse = (part) =>
    part.contains(document.activeElement) ||
    part.querySelector('details[open]') !== null ||
    (!document.getSelection()?.isCollapsed && part.contains(document.getSelection()?.anchorNode ?? null))

  const refresh = async () => {
    if (isBusy || !wanted || document.visibilityState !== 'visible') return
    isBusy = true
    wanted = false
    try {
      const answer = await fetch(location.href, { credentials: 'omit', redirect: 'error' })
      if (!answer.ok) return
      const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html')
      for (const part of fresh.querySelectorAll('[data-live]')) {
        const old = document.getElementById(part.id)
        if (old === null || isInUse(old) || old.outerHTML === part.outerHTML) continue
        old.className = part.className
        old.replaceChildren(...part.childNodes)
      }
    } catch {
      // The daemon is stopped, or starts anew: the browser connects again, and then there is something new.
    } finally {
      setTimeout(() => {
        isBusy = false
        void refresh()
      }, restMs)
    }
  }

  const source = new EventSource('/live')
  source.addEventListener('state', ({ data }) => {
    if (known !== null && data !== known) wanted = true
    known = data
    void refresh()
  })
  document.addEventListener('visibilitychange', () => void refresh())
})()
