DROP FUNCTION forecasts_and_arrivals;
DROP FUNCTION office_medians;
DROP TABLE invoice_forecast;
