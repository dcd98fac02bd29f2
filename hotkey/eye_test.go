package hotkey

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"
)

func newEye(t *testing.T, d *Detector, name string) *Eye {
	t.Helper()
	e, err := d.NewEye(EyeConfig{Name: name})
	require.NoError(t, err)
	return e
}

// collect returns what happens on d from now on, up to the call of the function.
func collect(t *testing.T, d *Detector) func() []Event {
	t.Helper()
	sub := d.stream.subscribe()
	return func() (list []Event) {
		d.stream.unsubscribe(sub)
		for {
			select {
			case e := <-sub.events:
				list = append(list, e)
			default:
				return list
			}
		}
	}
}

// What an eye's sampler sees is judged with what the detector's own see, and says who has seen it.
func TestOpsThatAnEyeSees(t *testing.T) {
	o := Options{Nodes: 3, seed: 1}
	l := newLab(t, o, labRate)
	newEye(t, l.Detector, "blind")
	foreign := newEye(t, l.Detector, "fetchers").NewSampler()
	events := collect(t, l.Detector)
	theirs, ours, gone := xxhash.Sum64String("theirs"), xxhash.Sum64String("ours"), xxhash.Sum64String("gone:7")
	i := 0
	l.run(3*time.Second, func() {
		switch i++; i % 4 {
		case 0:
			foreign.Read("theirs", theirs, 2000)
		case 1:
			l.sampler.Read("ours", ours, 2000)
		case 2:
			foreign.Miss("gone:7", gone)
		default:
			l.sampler.Read("cold", keyHash(i), 1000)
		}
	})
	origins := map[string]string{}
	for _, k := range l.Top(10) {
		origins[k.Name] = k.Origin
	}
	require.Equal(t, map[string]string{"theirs": "fetchers", "ours": "", "gone:7": "fetchers"}, origins)
	require.Equal(t, "fetchers", l.Missed(1)[0].Origin)
	require.Equal(t, "fetchers", l.MissedTemplates(1)[0].Origin)
	remedies := map[string]Remedy{}
	for _, r := range l.Remedies(Policy{}, nil) {
		remedies[r.Key.Name] = r
	}
	require.Equal(t, Keep, remedies["theirs"].Decision.Action.Kind)
	require.Equal(t, "fetchers", remedies["theirs"].Key.Origin)
	require.Empty(t, remedies["ours"].Key.Origin)
	told := map[string]string{}
	for _, e := range events() {
		told[e.Kind.String()+" "+e.Key.Name+e.Missed.Name] = e.Key.Origin + e.Missed.Origin
	}
	require.Equal(t, "fetchers", told["hot-start theirs"])
	require.Empty(t, told["hot-start ours"])
	require.Equal(t, "fetchers", told["missed gone:7"])

	r := l.Report(1)
	require.Equal(t, l.Top(1)[0].Origin, r.Keys[0].Origin)
	require.Equal(t, "fetchers", r.Missed[0].Origin)
}

// What an eye reports begins and ends as what is sampled: by the same thresholds, with the same patience.
func TestKeysThatAnEyeReports(t *testing.T) {
	l := newLab(t, Options{Nodes: 3, seed: 1}, labRate)
	eye := newEye(t, l.Detector, "sflow-rt")
	events := collect(t, l.Detector)
	eye.Report(
		[]Key{{Name: "hot", BytesPerSecond: 5e6}, {Name: "warm", BytesPerSecond: 9e5}, {Name: "", BytesPerSecond: 1e9}, {Name: strings.Repeat("k", 251), BytesPerSecond: 1e9}},
		[]MissedKey{{Name: "gone:7", MissesPerSecond: 25}, {Name: "seldom", MissesPerSecond: 19}},
	)
	i := 0
	cold := func() { i++; l.sampler.Read("cold", keyHash(i), 1000) }
	l.run(2*time.Second, cold)
	top := l.Top(2)
	require.Equal(t, "hot", top[0].Name)
	require.Equal(t, "sflow-rt", top[0].Origin)
	require.InDelta(t, 5e6, top[0].BytesPerSecond, 0)
	require.Zero(t, top[0].Share)
	require.False(t, top[0].Since.IsZero())
	require.Equal(t, "gone:7", l.Missed(1)[0].Name)
	require.Equal(t, "gone:#", l.Missed(1)[0].Template)
	require.Empty(t, l.Remedies(Policy{}, nil), "nobody knows what it is like")
	require.Nil(t, l.Report(1).Keys[0].HitRatio)

	eye.Report(nil, nil)
	l.run(29*time.Second, cold)
	require.Equal(t, 1, l.Stats().Hot)
	l.run(2*time.Second, cold)
	require.Zero(t, l.Stats().Hot)
	var kinds []string
	for _, e := range events() {
		kinds = append(kinds, e.Kind.String()+" "+e.Key.Name+e.Missed.Name+" by "+e.Key.Origin+e.Missed.Origin)
	}
	require.ElementsMatch(t, []string{"hot-start hot by sflow-rt", "missed gone:7 by sflow-rt", "hot-end hot by sflow-rt"}, kinds)
}

// A key that an eye reports is relieved as soon as this process has read it once: then it is known what it is like.
func TestAReportedKeyIsRelievedOnceItIsRead(t *testing.T) {
	l := newLab(t, Options{Nodes: 3, seed: 1}, labRate)
	newEye(t, l.Detector, "sflow-rt").Report([]Key{{Name: "hot", BytesPerSecond: 5e6}}, nil)
	i, hash := 0, xxhash.Sum64String("hot")
	l.run(3*time.Second, func() {
		if i++; i%10_000 == 0 {
			l.sampler.Read("hot", hash, 60_000) // 8 times a second: neither its share nor its bytes would do without the report
		} else {
			l.sampler.Read("cold", keyHash(i), 1000)
		}
	})
	remedies := l.Remedies(Policy{}, nil)
	require.NotEmpty(t, remedies)
	require.Equal(t, "hot", remedies[0].Key.Name)
	require.Equal(t, Keep, remedies[0].Decision.Action.Kind)
	require.InDelta(t, 60_000, remedies[0].Key.ItemSize, 1000)

	l = newLab(t, Options{Nodes: 3, seed: 1}, labRate)
	newEye(t, l.Detector, "told the size").Report([]Key{{Name: "hot", BytesPerSecond: 5e6, ItemSize: 2000}}, nil)
	l.run(time.Second, func() { i++; l.sampler.Read("cold", keyHash(i), 1000) })
	require.Equal(t, Keep, l.Remedies(Policy{}, nil)[0].Decision.Action.Kind)
}

func TestWithThresholdsOfNeverNothingReportedIsHot(t *testing.T) {
	l := newLab(t, Options{BytesPerSecond: -1, MissesPerSecond: -1, seed: 1}, labRate)
	newEye(t, l.Detector, "e").Report([]Key{{Name: "k", BytesPerSecond: 1e12}}, []MissedKey{{Name: "m", MissesPerSecond: 1e12}})
	i := 0
	l.run(time.Second, func() { i++; l.sampler.Read("cold", keyHash(i), 1000) })
	require.Zero(t, l.Stats().Hot)
}

// An eye that floods the detector costs it no more than a bounded number of keys, and those of its own samplers stay.
func TestAReportIsBounded(t *testing.T) {
	l := newLab(t, Options{seed: 1}, labRate)
	var eyes []*Eye
	for i := range MaxEyes {
		eyes = append(eyes, newEye(t, l.Detector, fmt.Sprint("eye", i)))
	}
	_, err := l.NewEye(EyeConfig{Name: "one too many"})
	require.ErrorIs(t, err, ErrBadOptions)
	for i, e := range eyes {
		var keys []Key
		var missed []MissedKey
		for j := range 10_000 {
			keys = append(keys, Key{Name: fmt.Sprint(i, "-", j), BytesPerSecond: 1e9})
			missed = append(missed, MissedKey{Name: fmt.Sprint(i, "-", j), MissesPerSecond: 1e9})
		}
		e.Report(keys, missed)
		require.Len(t, e.keys, maxReported)
	}
	hash := xxhash.Sum64String("own")
	l.run(2*time.Second, func() { l.sampler.Read("own", hash, 1000) })
	require.LessOrEqual(t, l.Stats().Hot, maxWatched)
	require.LessOrEqual(t, len(l.Missed(1e6)), nameCells)
	names := map[string]bool{}
	for _, k := range l.Top(1e6) {
		names[k.Name] = true
	}
	require.True(t, names["own"])
}

func TestEyesSayHowTheyFare(t *testing.T) {
	d, err := New(Options{})
	require.NoError(t, err)
	_, err = d.NewEye(EyeConfig{})
	require.ErrorIs(t, err, ErrBadOptions)
	var told []error
	eye, err := d.NewEye(EyeConfig{Name: "e", OnStatus: func(err error) { told = append(told, err) }})
	require.NoError(t, err)
	_, err = d.NewEye(EyeConfig{Name: "e"})
	require.ErrorIs(t, err, ErrBadOptions)

	require.Positive(t, d.Eyes()[0].Age, "it has not begun")
	eye.SetStatus(nil)
	require.Empty(t, told, "that it begins is no news")
	require.Equal(t, EyeStatus{Name: "e"}, d.Eyes()[0])
	first, second := errors.New("one"), errors.New("two")
	eye.SetStatus(first)
	eye.SetStatus(second)
	s := d.Eyes()[0]
	require.Equal(t, second, s.Err)
	require.Positive(t, s.Age)
	require.EqualValues(t, 1, s.Failures)
	require.Len(t, d.Report(1).Notes, 1)
	require.Contains(t, d.Report(1).Notes[0], "two")
	eye.SetStatus(nil)
	eye.SetStatus(nil)
	require.Equal(t, []error{first, nil}, told)
	require.Empty(t, d.Report(1).Notes)
	require.Empty(t, eye.Nodes())
	require.False(t, eye.Ours(netip.AddrPort{}))
}

// Whatever an eye says, what comes of it are numbers.
func TestAnEyeThatSaysTooMuch(t *testing.T) {
	l := newLab(t, Options{seed: 1}, labRate)
	e := newEye(t, l.Detector, "wild")
	hash := xxhash.Sum64String("k")
	for _, rate := range []float64{1e300, math.Inf(1), math.NaN(), -1e300} {
		e.Report([]Key{{Name: "k", BytesPerSecond: rate, ItemSize: math.MaxInt}}, []MissedKey{{Name: "gone", MissesPerSecond: rate}})
		l.run(2*time.Second, func() {
			l.sampler.Read("k", hash, 4000)
			for _, r := range l.Remedies(Policy{}, nil) {
				require.GreaterOrEqual(t, r.Key.BytesPerSecond, 0.0)
				require.LessOrEqual(t, r.Key.BytesPerSecond, 2*maxRate)
				require.GreaterOrEqual(t, r.Key.ItemSize, 0)
			}
		})
		_, err := json.Marshal(l.Report(10))
		require.NoError(t, err)
	}
}
