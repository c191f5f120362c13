//! Times as text: RFC 3339, UTC, for every time that a file can have; and the short form that names a run.

use super::time::Time;

/// `2026-11-21T04:15:00Z`; with a fraction where there is one. (`humantime` cannot write what lies before 1970.)
pub fn rfc3339(time: Time) -> String {
    let (seconds, nanos) = time.parts();
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let fraction = match nanos {
        0 => String::new(),
        nanos => format!(".{}", format!("{nanos:09}").trim_end_matches('0')),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// `2026-11-21 04:15:00`, for tables whose heading says UTC.
pub fn plain(time: Time) -> String {
    rfc3339(time)[..19].replace('T', " ")
}

/// `20261121T041500Z`: sorts by time, and is a legal file name everywhere.
pub fn compact(time: Time) -> String {
    rfc3339(Time::from_parts(time.parts().0, 0)).replace(['-', ':'], "")
}

/// The time at the beginning of a name made by [`compact`]; `None` for any other name.
pub fn parse_compact(name: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(name.get(..16)?).ok()?;
    let digits = |from: usize, to: usize| text.get(from..to).and_then(|part| part.parse::<i64>().ok());
    let day = days(digits(0, 4)?, digits(4, 6)?, digits(6, 8)?);
    let seconds = day * 86_400 + digits(9, 11)? * 3_600 + digits(11, 13)? * 60 + digits(13, 15)?;
    let time = Time::from_parts(seconds, 0);
    // Only what reads back is a time: no thirteenth month, no minute 99.
    (compact(time) == text).then_some(time)
}

/// The time that RFC 3339 text means, with a fraction and an offset where it has them; `None` for any other text and for
/// the year 1, by which programs written in Go mean no time.
pub fn parse_rfc3339(text: &str) -> Option<Time> {
    let (day, rest) = text.split_once(['T', 't', ' '])?;
    let whole = |text: &str, length: usize| -> Option<i64> {
        let digits = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
        if digits { text.parse().ok() } else { None }
    };
    let day: Vec<&str> = day.split('-').collect();
    let [year, month, day] = day[..] else { return None };
    let (year, month, day) = (whole(year, 4)?, whole(month, 2)?, whole(day, 2)?);
    let at = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at(at);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let clock: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = clock[..] else { return None };
    let (hour, minute, second) = (whole(hour, 2)?, whole(minute, 2)?, whole(second, 2)?);
    if year < 2 || !(1..=12).contains(&month) || civil(days(year, month, day)) != (year, month, day) || hour > 23 || minute > 59 {
        return None;
    }
    let nanos = whole(&format!("{fraction:0<9}")[..9], 9).filter(|_| fraction.bytes().all(|byte| byte.is_ascii_digit()))?;
    let offset = match zone {
        "Z" | "z" => 0,
        zone => {
            let (hours, minutes) = zone[1..].split_once(':')?;
            let seconds = whole(hours, 2)? * 3_600 + whole(minutes, 2)? * 60;
            if zone.starts_with('-') { -seconds } else { seconds }
        }
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    Some(Time::from_parts(seconds, u32::try_from(nanos).ok()?))
}

/// The day, counted from 1970-01-01, of a year, month and day (Howard Hinnant's `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant's `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mutants::hostile;
    use proptest::prelude::*;

    #[test]
    fn times_of_other_programs_are_read() {
        for (text, expected) in [
            ("2026-11-21T04:15:00.00000012Z", Some((1_795_234_500, 120))),
            ("2026-11-21T05:15:00+01:00", Some((1_795_234_500, 0))),
            ("2026-11-20t23:45:00.5-04:30", Some((1_795_234_500, 500_000_000))),
            ("2000-02-29T00:00:00Z", Some((951_782_400, 0))),
            ("0001-01-01T00:00:00Z", None),
            ("2001-02-29T00:00:00Z", None),
            ("2026-11-21T04:15:00", None),
            ("2026-11-21", None),
            ("2026-11-21T04:15:00.x5Z", None),
            ("2026-11-21T04:15:00.éZ", None),
            ("2026-11-21T24:15:00Z", None),
            ("+026-11-21T04:15:00Z", None),
            ("2026-11-21T04:15:00+é", None),
        ] {
            assert_eq!(parse_rfc3339(text), expected.map(|(seconds, nanos)| Time::from_parts(seconds, nanos)), "{text}");
        }
    }

    #[test]
    fn times_before_1970_and_leap_days_are_written() {
        for (seconds, nanos, expected) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (-1, 500_000_000, "1969-12-31T23:59:59.5Z"),
            (951_782_400, 0, "2000-02-29T00:00:00Z"),
            (1_795_234_500, 120, "2026-11-21T04:15:00.00000012Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00Z"),
            (-2_208_988_800, 0, "1900-01-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(Time::from_parts(seconds, nanos)), expected);
        }
        assert_eq!(plain(Time::from_parts(1_795_234_500, 120)), "2026-11-21 04:15:00");
    }

    #[test]
    fn the_short_form_reads_back_and_nothing_else_does() {
        for seconds in [0, 951_782_400, 1_795_234_500, 4_107_542_400] {
            let time = Time::from_parts(seconds, 7);
            let name = format!("{}-host-000007", compact(time));
            assert_eq!(parse_compact(name.as_bytes()), Some(Time::from_parts(seconds, 0)), "{name}");
        }
        for name in ["20261321T041500Z", "20261121T049900Z", "2026-11-21T04:15", "", "20261121 041500Z", "x"] {
            assert_eq!(parse_compact(name.as_bytes()), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_that_of_a_run_only_where_its_time_reads_back(
            name in hostile(&["20261121T041500Z-host-000007", "99991231T235959Z", "16770921T001243Z-", "-9991121T041500Z-h"]),
        ) {
            if let Some(time) = parse_compact(&name) {
                let text = compact(time);
                prop_assert_eq!(text.as_bytes(), &name[..16]);
            }
        }

        #[test]
        fn every_time_is_written(nanos in any::<i64>()) {
            let time = Time(nanos);
            prop_assert_eq!(plain(time).len(), 19);
            prop_assert_eq!(parse_compact(compact(time).as_bytes()), Some(Time::from_parts(time.parts().0, 0)));
        }
    }
}
