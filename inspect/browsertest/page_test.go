package browsertest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/nohop/memcache"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/inspect"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

// browser returns a tab of a headless Chromium, and what its console has complained about so far.
func browser(t *testing.T) (tab context.Context, complaints func() []string) {
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		const loud = "NO CHROMIUM: the debug page is NOT tested; install Debian's chromium"
		if os.Getenv("CI") != "" {
			t.Fatal(loud)
		}
		fmt.Fprintln(os.Stderr, loud)
		t.Skip(loud)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox,
		chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(time.Minute))
	all, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	tab, cancelTab := chromedp.NewContext(all)
	t.Cleanup(cancelTab)
	var mu sync.Mutex
	var list []string
	messages := chromedp.Console(tab)
	go func() { // ends with the tab
		for message, err := range messages {
			if err != nil {
				return
			}
			mu.Lock()
			list = append(list, message.Text)
			mu.Unlock()
		}
	}()
	return tab, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), list...)
	}
}

// scene is a client under load and its page.
type scene struct {
	nodes []*memcachetest.Server
	url   string
}

func newScene(t *testing.T) *scene {
	s := &scene{}
	var addrs []string
	for range 3 {
		node := memcachetest.NewServer()
		t.Cleanup(node.Close)
		s.nodes, addrs = append(s.nodes, node), append(addrs, node.Addr())
	}
	client, err := memcache.New(memcache.WithServers(addrs...), memcache.WithReplicated(), memcache.WithTimeout(2*time.Second),
		memcache.WithKeyRules(hotkey.Rule{Prefix: "session:", Action: hotkey.Action{Kind: hotkey.Deny}}))
	require.NoError(t, err)
	server := httptest.NewServer(http.StripPrefix("/debug", inspect.Handler(client, inspect.WithKeys())))
	ctx, stop := context.WithCancel(context.Background())
	var load sync.WaitGroup
	load.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			_ = client.Set(ctx, &memcache.Item{Key: fmt.Sprint("user:", i%500), Value: make([]byte, 200)})
			_, _ = client.Get(ctx, "popular:<b>home</b>")
			_, _ = client.Get(ctx, "usre:7")
			if i%100 == 0 {
				_ = client.Set(ctx, &memcache.Item{Key: "popular:<b>home</b>", Value: make([]byte, 20<<10)})
			}
			select {
			case <-ctx.Done():
			case <-time.After(2 * time.Millisecond):
			}
		}
	})
	t.Cleanup(func() { stop(); load.Wait(); client.Close(); server.Close() })
	s.url = server.URL + "/debug/"
	return s
}

// await waits until a condition holds in the page.
func await(condition string) step {
	poll := chromedp.Poll[bool](condition, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(time.Minute))
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := poll(ctx, t)
		return chromedp.Void{}, err
	}
}

type step = chromedp.Action[chromedp.Void]

// TestThePage: it draws what goes on, live, shows a killed node within two seconds, explains a key, and nothing complains.
func TestThePage(t *testing.T) {
	tab, complaints := browser(t)
	s := newScene(t)
	run := func(steps ...step) {
		t.Helper()
		require.NoError(t, chromedp.Do(tab, steps...))
	}
	text := func(selector string) string {
		t.Helper()
		text, err := chromedp.Run(tab, chromedp.TextContent(selector))
		require.NoError(t, err)
		return text
	}
	run(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(s.url),
		await(`Number(document.body.dataset.looks) >= 3`),
		await(`document.querySelector('#hot tbody').textContent.includes('popular:<b>home</b>')`),
		await(`document.querySelector('#missed tbody').textContent.includes('usre:7')`),
		await(`document.querySelector('#rules tbody').textContent.includes('popular:<b>home</b>keepautomatic')`),
		await(`document.querySelector('#rules tbody').textContent.includes('session: …denyexplicit')`))
	require.Regexp(t, `view changed3 nodes`, text("#history"))
	require.Contains(t, text("#summary"), "3 of 3 nodes well")
	require.Regexp(t, `^[\d.]+k?/s$`, text("#rate"))
	for _, node := range s.nodes {
		require.Contains(t, text("#nodes"), node.Addr())
	}
	run(await(`document.querySelector('#rateChart polyline').getAttribute('points').split(' ').length >= 2`))

	s.nodes[1].Kill()
	killed := time.Now()
	run(await(`document.querySelector('#nodes .down') !== null`))
	shown := time.Since(killed)
	require.Less(t, shown, 2*time.Second+500*time.Millisecond*busy, "a killed node")
	require.Contains(t, text("#summary"), "2 of 3 nodes well")
	require.Contains(t, text("#nodes"), "down, ejected")
	s.nodes[1].Start()
	run(await(`document.querySelector('#nodes .down') === null`))

	run(chromedp.SendKeys("#key", "user:7\n"), await(`document.querySelector('#answer').textContent.includes('home')`))
	require.Contains(t, text("#answer"), `key "user:7"`)
	run(chromedp.SetValue("#key", "two words"), chromedp.Click("#ask button"),
		await(`document.querySelector('#answer').textContent.includes('malformed')`))
	var refused []string
	for _, c := range complaints() { // the browser reports the refusal of a bad key, which the page shows
		if c != "Failed to load resource: the server responded with a status of 400 (Bad Request)" {
			refused = append(refused, c)
		}
	}
	require.Empty(t, refused)
}

// busy is how many half seconds a machine that is busy may add.
const busy = 3

// TestThePageFits on a phone, in a dark room too: nothing sticks out, and text stands out from its ground. With SCREENSHOTS
// set to a folder the pictures are left there.
func TestThePageFits(t *testing.T) {
	tab, complaints := browser(t)
	s := newScene(t)
	for _, look := range []struct {
		name          string
		width, height int64
		scheme        string
	}{{"wide-light", 1280, 1000, "light"}, {"wide-dark", 1280, 1000, "dark"}, {"phone-dark", 390, 1800, "dark"}, {"phone-light", 390, 1800, "light"}} {
		_, err := chromedp.Call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}},
		})
		require.NoError(t, err)
		require.NoError(t, chromedp.Do(tab, chromedp.EmulateViewport(look.width, look.height),
			chromedp.Navigate(s.url+"?"+look.name+"#explain=user:7"), await(`Number(document.body.dataset.looks) >= 4`)))
		overflow, err := chromedp.Run(tab, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`))
		require.NoError(t, err)
		contrast, err := chromedp.Run(tab, chromedp.Evaluate[float64](contrastOf))
		require.NoError(t, err)
		picture, err := chromedp.Run(tab, chromedp.CaptureScreenshot())
		require.NoError(t, err)
		require.False(t, overflow, "%s is wider than the window", look.name)
		require.Greater(t, contrast, 4.5, "%s: contrast of the faintest text, WCAG AA", look.name)
		if dir := os.Getenv("SCREENSHOTS"); dir != "" {
			require.NoError(t, os.WriteFile(filepath.Join(dir, look.name+".png"), picture, 0o644))
		}
	}
	require.Empty(t, complaints())
}

// contrastOf is the least contrast of the page's colours of text to the sheets they stand on, by WCAG 2.1.
const contrastOf = `(() => {
  const probe = document.createElement('span'); document.body.append(probe);
  const rgb = name => { probe.style.color = 'var(' + name + ')'; return getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number); };
  const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126*r + 0.7152*g + 0.0722*b; };
  let least = 99;
  for (const ground of ['--sheet', '--ground']) for (const name of ['--text', '--faint', '--accent', '--good', '--warn', '--bad']) {
    const [a, b] = [light(rgb(ground)), light(rgb(name))].sort((x, y) => y - x);
    least = Math.min(least, (a + 0.05) / (b + 0.05));
  }
  probe.remove();
  return least;
})()`
