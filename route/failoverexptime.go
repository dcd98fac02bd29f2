package route

import "time"

// FailoverWithExptime is FailoverList over normal and then others, which get stores and touches with an exptime of at most
// ttl: what a substitute holds is soon forgotten. A ttl of 0 leaves exptimes as they are; a negative one, or one past 2038,
// is an error.
func FailoverWithExptime(normal Route, others []Route, ttl time.Duration, options FailoverOptions) (Route, error) {
	children := []Route{normal}
	for _, r := range others {
		shortened, err := ModifyExptime(MinExptime, ttl, r)
		if err != nil {
			return nil, err
		}
		children = append(children, shortened)
	}
	return FailoverList(children, options)
}
