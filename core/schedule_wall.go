package core

import (
	"math/bits"
	"time"
)

// searchYears is how far match looks. The Gregorian calendar has 14 kinds of year (leap or not, by the weekday of
// 1 January), and each comes again within 40 years: leap years of one kind are 28 years apart, 40 across 2100. So
// what is not found in 41 never comes.
const searchYears = 41

const daySeconds = 24 * 60 * 60

// match returns the first wall-clock time from wall on that the expression names. Wall-clock times are counted in
// seconds since 1970 as if the zone were UTC; nothing here knows of zones.
func (c *cronSpec) match(wall int64) (int64, bool) {
	days := floorDiv(wall, daySeconds)
	clock := int(wall - days*daySeconds)
	year, month, day := time.Unix(wall, 0).UTC().Date()
	for end := year + searchYears; year <= end; {
		length := monthLength(year, month)
		first := int((days-int64(day-1)+4)%7+7) % 7 // weekday of the 1st; 1970-01-01 was a Thursday
		var set uint32
		if c.month>>month&1 != 0 {
			set = c.monthDays(first, length) >> day << day
		}
		if set>>day&1 != 0 {
			if t, ok := c.clock(clock); ok {
				return days*daySeconds + int64(t), true
			}
			set &^= 1 << day
		}
		if set != 0 {
			t, _ := c.clock(0)
			return (days+int64(bits.TrailingZeros32(set)-day))*daySeconds + int64(t), true
		}
		days += int64(length - day + 1)
		day, clock = 1, 0
		if month++; month > time.December {
			month, year = time.January, year+1
		}
	}
	return 0, false
}

// clock returns the first second of the day from t on that the expression names.
func (c *cronSpec) clock(t int) (int, bool) {
	hour, minute, second := t/3600, t/60%60, t%60
	firstMinute, firstSecond := bits.TrailingZeros64(c.minute), bits.TrailingZeros64(c.second)
	if c.hour>>hour&1 != 0 {
		if c.minute>>minute&1 != 0 {
			if rest := c.second >> second; rest != 0 {
				return t + bits.TrailingZeros64(rest), true
			}
		}
		if rest := c.minute >> (minute + 1) << (minute + 1); rest != 0 {
			return hour*3600 + bits.TrailingZeros64(rest)*60 + firstSecond, true
		}
	}
	rest := c.hour >> (hour + 1) << (hour + 1)
	if rest == 0 {
		return 0, false
	}
	return bits.TrailingZeros32(rest)*3600 + firstMinute*60 + firstSecond, true
}

// monthDays returns the days that the two day fields name in a month whose 1st is the weekday first.
func (c *cronSpec) monthDays(first, length int) uint32 {
	all := uint32(1)<<(length+1) - 2
	byDate := c.dom
	for set := c.fromEnd; set != 0; set &= set - 1 {
		if d := length - bits.TrailingZeros32(set); d >= 1 {
			byDate |= 1 << d
		}
	}
	for set := c.nearest; set != 0; set &= set - 1 {
		if d := bits.TrailingZeros32(set); d <= length {
			byDate |= 1 << nearestWeekday(d, first, length)
		}
	}
	if c.lastWeekday {
		byDate |= 1 << nearestWeekday(length, first, length)
	}
	week := rotate(c.dow, first)
	byWeekday := week<<1 | week<<8 | week<<15 | week<<22 | week<<29
	for k := 1; k < len(c.nth); k++ {
		byWeekday |= rotate(c.nth[k], first) << (7*k - 6)
	}
	byWeekday |= rotate(c.lastDow, (first+length)%7) << (length - 6)
	if c.either {
		return (byDate | byWeekday) & all
	}
	return byDate & byWeekday & all
}

// rotate turns a set of weekdays so that bit 0 is the weekday first.
func rotate(week uint8, first int) uint32 {
	w := uint32(week)
	return (w>>first | w<<(7-first)) & 0x7f
}

// nearestWeekday returns the day from Monday to Friday nearest to day without leaving the month.
func nearestWeekday(day, first, length int) int {
	switch (first + day - 1) % 7 {
	case 6: // Saturday
		if day == 1 {
			return 3
		}
		return day - 1
	case 0: // Sunday
		if day == length {
			return day - 2
		}
		return day + 1
	}
	return day
}

func monthLength(year int, month time.Month) int {
	switch month {
	case time.February:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case time.April, time.June, time.September, time.November:
		return 30
	case time.January, time.March, time.May, time.July, time.August, time.October, time.December:
	}
	return 31
}
